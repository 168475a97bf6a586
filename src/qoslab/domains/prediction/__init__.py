"""QoS prediction: how good will a service be for a user who never measured it?"""

from qoslab.core.domain import Command, Domain, FigureEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

_HERE = "qoslab.domains.prediction."
_COMMANDS = _HERE + "deploy.commands:"

registry.add_domain(
    Domain(
        name="prediction",
        summary="predict QoS of services for users who have not measured them",
        scenario=_HERE + "scenario:PredictionScenario",
        run=_HERE + "model:run",
        methods=_HERE + "methods",
        baseline="item_mean",
        example=_HERE + "scenario:example",
        check=_HERE + "checking:check",
        verify=_HERE + "theory:verify",
        quickstart="quickstart.toml",
        skeleton="skeleton.py.txt",
        protocol=_HERE + "model:Predictor",
        alarms=(
            ("cold_users", "nothing is known of these users, who are predicted from all others"),
            ("cold_services", "nothing is known of these services, which are predicted from all others"),
        ),
        next_steps=(("*", "qoslab prediction train --help"),),
        commands=(
            Command("train", _COMMANDS + "train", "train a method, calibrate its intervals, keep the model"),
            Command("evaluate", _COMMANDS + "evaluate", "errors and coverage of a kept model"),
            Command("select", _COMMANDS + "select", "the services that most probably meet several limits"),
            Command("export", _COMMANDS + "export", "ONNX graphs of a kept model, and what they lose"),
            Command("stream", _HERE + "streaming:compare", "who follows a stream of measurements best"),
            Command("tune", _HERE + "tuning:tune", "the same budget of trials for every method"),
            Command("paired", _HERE + "by_user:paired", "who errs more than the best, paired by user"),
            Command("serve", _COMMANDS + "serve", "answer over HTTP, and take in measurements"),
        ),
        figures=(
            FigureEntry(
                "error_by_density", _HERE + "figures:error_by_density", "NMAE of each parameter over density"
            ),
            FigureEntry("coverage", _HERE + "figures:coverage", "share of values inside their intervals"),
            FigureEntry(
                "paired_by_user",
                _HERE + "figures:paired_by_user",
                "errors above the best method's, paired by user",
                ("user_errors",),
            ),
            FigureEntry("routing", _HERE + "figures:routing", "gates while a network trains", ("training",)),
            FigureEntry(
                "task_weights", _HERE + "figures:task_weights", "weights of the losses", ("training",)
            ),
            FigureEntry("task_losses", _HERE + "figures:task_losses", "losses by parameter", ("training",)),
        ),
        metrics=(
            Metric("nmae", "", "lower", "mean absolute error over the mean of the test values"),
            Metric("mae", "", "lower", "mean absolute error, in the parameter's unit"),
            Metric("rmse", "", "lower", "root mean squared error, in the parameter's unit"),
            *(
                Metric(
                    f"ndcg_{k}",
                    "",
                    "higher",
                    f"gain of the {k} services ranked first, over the best possible",
                )
                for k in (5, 10, 20)
            ),
            *(
                Metric(
                    f"precision_{k}", "", "higher", f"share of the {k} services ranked first that truly are"
                )
                for k in (5, 10, 20)
            ),
            Metric("coverage", "", "neither", "share of values inside their predicted intervals"),
            Metric(
                "interval_width", "", "lower", "mean width of the intervals over the mean of the test values"
            ),
        ),
    )
)
