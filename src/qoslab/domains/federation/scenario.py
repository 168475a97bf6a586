"""Whose data, how it is divided, how clients train, what the server holds, and who cannot be relied upon."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from qoslab.core.scenario import DatasetName, InputFile, Part, Scenario
from qoslab.domains.federation.strategy import floor_share

__all__ = [
    "Cifar",
    "Digits",
    "Dirichlet",
    "Emnist",
    "Faults",
    "FederationScenario",
    "Idx",
    "Iid",
    "Mnist",
    "Planted",
    "Quantity",
    "ServerData",
    "Shards",
    "Training",
    "example",
]


class Digits(Part):
    """Handwritten digits of 8 x 8 pixels that scikit-learn carries: 1,797 samples, 10 classes."""

    kind: Literal["digits"]


class Planted(Part):
    """Samples of a normal distribution around one centre per class: nothing is loaded."""

    kind: Literal["planted"]
    samples: int = Field(600, ge=10, description="number of samples")
    features: int = Field(8, ge=1, description="features of a sample")
    classes: int = Field(4, ge=2, description="number of classes")
    separation: float = Field(2.0, ge=0, description="length of a class's centre, in standard deviations")


class Mnist(Part):
    """Handwritten digits of 28 x 28 pixels, 10 classes: MNIST's 60,000 training images."""

    kind: Literal["mnist"]
    images: DatasetName = Field(
        "mnist/train-images-idx3-ubyte.gz", validate_default=True, description="registered file of images"
    )
    labels: DatasetName = Field(
        "mnist/train-labels-idx1-ubyte.gz", validate_default=True, description="registered file of classes"
    )
    samples: int = Field(
        10_000, ge=10, description="how many are used, drawn by lot; all where there are fewer"
    )


class Idx(Part):
    """Images and classes in two IDX files of your own, such as EMNIST's."""

    kind: Literal["idx"]
    images: InputFile = Field(description="IDX file of images, packed by gzip or not")
    labels: InputFile = Field(description="IDX file of their classes")
    samples: int = Field(
        10_000, ge=10, description="how many are used, drawn by lot; all where there are fewer"
    )


class Emnist(Part):
    """Handwritten letters and digits of 28 x 28 pixels: the training images of one of EMNIST's splits."""

    kind: Literal["emnist"]
    split: Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"] = Field(
        "balanced", description="which classes; 47 balanced ones by default"
    )
    archive: DatasetName = Field("emnist/gzip.zip", validate_default=True, description="registered archive")
    samples: int = Field(
        10_000, ge=10, description="how many are used, drawn by lot; all where there are fewer"
    )


class Cifar(Part):
    """CIFAR-10's binary batches: 32 x 32 pixels in three colours, 10 classes."""

    kind: Literal["cifar"]
    archive: DatasetName = Field(
        "cifar-10/cifar-10-binary.tar.gz",
        validate_default=True,
        description="registered archive, used where no files are given",
    )
    files: tuple[InputFile, ...] | None = Field(
        None, min_length=1, description="batches of your own: data_batch_1.bin and so on"
    )
    samples: int = Field(
        10_000, ge=10, description="how many are used, drawn by lot; all where there are fewer"
    )


class Dirichlet(Part):
    """Each class is divided by proportions drawn from a symmetric Dirichlet distribution."""

    kind: Literal["dirichlet"]
    alpha: float = Field(0.1, gt=0, description="concentration: small gives each client few classes")
    min_samples: int = Field(
        1,
        ge=0,
        description="divisions that leave a client fewer samples are drawn again; 0 lets some be empty",
    )


class Shards(Part):
    """Samples sorted by class, cut into equal shards, dealt out by lot."""

    kind: Literal["shards"]
    per_client: int = Field(2, ge=1, description="shards that each client gets")


class Quantity(Part):
    """Clients hold the same mix of classes and different amounts, drawn from a symmetric Dirichlet distribution."""

    kind: Literal["quantity"]
    beta: float = Field(0.5, gt=0, description="concentration: small gives few clients most of the samples")
    min_samples: int = Field(
        1,
        ge=0,
        description="divisions that leave a client fewer samples are drawn again; 0 lets some be empty",
    )


class Iid(Part):
    """Samples dealt out by lot, in equal amounts."""

    kind: Literal["iid"]


class ServerData(Part):
    """The small set of samples that the server holds and may learn from."""

    reserve: int = Field(60, ge=1, description="samples that no client holds; the server's are among them")
    samples: int = Field(60, ge=1, description="how many of the reserve the server holds, at most")
    classes: int = Field(0, ge=0, description="only the first so many classes reach the server; 0 for all")
    steps: int = Field(10, ge=1, description="steps of gradient descent on the server per round")
    batch: int = Field(16, ge=1, description="samples in each of these steps")
    rate: float = Field(0.05, gt=0, description="step size of the server")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.samples > self.reserve:
            message = f"samples = {self.samples} is more than the reserve of {self.reserve}"
            raise ValueError(message)
        return self


class Training(Part):
    """How a client trains between two messages."""

    steps: int = Field(10, ge=1, description="steps of gradient descent per round")
    batch: int = Field(16, ge=1, description="samples in each step, drawn with replacement")
    rate: float = Field(0.1, gt=0, description="step size in the first round")
    rate_decay: float = Field(1.0, gt=0, le=1, description="factor of the step size from round to round")


class Faults(Part):
    """Clients that fail, and clients that mean harm."""

    dropout: float = Field(
        0.0, ge=0, le=1, description="probability that a client of a round never answers, each on its own"
    )
    malicious: float = Field(0.0, ge=0, lt=1, description="share of the clients that attack, rounded down")
    attack: Literal["label_flip", "scaled"] = Field(
        "label_flip", description="train on class C - 1 - y instead of y, or multiply the update"
    )
    scale: float = Field(-4.0, description="factor of the update in the attack `scaled`")


class FederationScenario(Scenario):
    """Clients that train one classifier together without showing their samples."""

    data: Digits | Planted | Mnist | Emnist | Idx | Cifar = Field(
        discriminator="kind", description="what is learned"
    )
    partition: Dirichlet | Shards | Quantity | Iid = Field(
        Dirichlet(kind="dirichlet"), discriminator="kind", description="which client holds which samples"
    )
    clients: int = Field(100, ge=1, description="number of clients")
    sampled: int = Field(10, ge=1, description="clients that take part in a round, drawn by lot")
    rounds: int = Field(200, ge=1, description="number of rounds")
    network: Literal["perceptron", "convolutional"] = Field(
        "perceptron", description="what is trained; `convolutional` takes images, and torch"
    )
    hidden: tuple[int, ...] = Field((64,), description="widths of hidden layers; none for softmax regression")
    channels: tuple[int, ...] = Field(
        (8, 16), min_length=1, description="channels after each convolution, which halves height and width"
    )
    processes: int = Field(
        1, ge=1, le=64, description="processes that train a round's clients; the models are the same"
    )
    processes_on: Literal["local", "ray"] = Field(
        "local", description="processes of this machine, or actors on the Ray cluster that RAY_ADDRESS names"
    )
    test: int = Field(360, ge=1, description="samples held back for measuring; nobody learns from them")
    target: float = Field(0.85, gt=0, le=1, description="test accuracy that `rounds_to_target` waits for")
    training: Training = Field(Training(), description="the clients' training")
    server: ServerData = Field(ServerData(), description="the server's samples and training")
    faults: Faults = Field(Faults(), description="unreliable and malicious clients")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sampled > self.clients:
            message = f"sampled = {self.sampled} of clients = {self.clients} cannot take part in a round"
            raise ValueError(message)
        for name, widths in (("hidden", self.hidden), ("channels", self.channels)):
            if any(width < 1 for width in widths):
                message = f"{name} = {list(widths)}: every layer has at least one unit"
                raise ValueError(message)
        share = self.faults.malicious
        if share > 0 and floor_share(share, self.clients) == 0:
            message = f"faults.malicious = {share:g} of clients = {self.clients} is less than one: nobody would attack"
            raise ValueError(message)
        return self


def example() -> FederationScenario:
    """A small world for contract tests."""
    return FederationScenario.model_validate(
        {
            "data": {"kind": "planted", "samples": 200, "features": 4, "classes": 3},
            "partition": {"kind": "dirichlet", "alpha": 0.5},
            "clients": 6,
            "sampled": 4,
            "rounds": 5,
            "hidden": [4],
            "test": 40,
            "training": {"steps": 3, "batch": 4},
            "server": {"reserve": 20, "samples": 20, "steps": 3, "batch": 4},
            "faults": {"dropout": 0.1, "malicious": 0.2},
        }
    )
