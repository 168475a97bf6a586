"""The soft actor-critic learner beside that of stable-baselines3 on Gymnasium's Pendulum-v1.

    python -m benchmarks.sac_peer --seeds 3

Equal in both: 6,000 steps, one update a step from the 128th on, mini-batches of 128, two hidden layers of 128 units,
Adam with 1e-3, tau 0.005, discount 0.99, automatic temperature. Ours has ELU and layer normalisation where the peer has
ReLU. A figure is the mean return of the mean action over 20 starts that both get.
"""

import argparse
import warnings

import gymnasium
import numpy as np

from benchmarks.common import cpu_s
from qoslab.domains.balancing.learned.sac import Sac, Settings

STEPS, STARTS = 6000, 20


def mean_return(act):
    """Mean return of a policy over `STARTS` starts."""
    env = gymnasium.make("Pendulum-v1")
    totals = []
    for start in range(STARTS):
        state, _ = env.reset(seed=start)
        total, over = 0.0, False
        while not over:
            state, reward, _, over, _ = env.step(act(state))
            total += float(reward)
        totals.append(total)
    return float(np.mean(totals))


def ours(seed):
    """What our learner reaches."""
    settings = Settings(hidden=128, learning_rate=1e-3, tau=0.005, batch=128, replay=STEPS, normalise=False)
    learner = Sac(3, 1, settings, np.random.SeedSequence(seed))
    env = gymnasium.make("Pendulum-v1")
    state, _ = env.reset(seed=seed)
    for _ in range(STEPS):
        action = learner.act(state)
        following, reward, _, over, _ = env.step(2.0 * action)
        learner.keep(state, action, float(reward), following)
        learner.learn()
        state = env.reset()[0] if over else following
    return mean_return(lambda state: 2.0 * learner.act(state, explore=False))


def theirs(seed):
    """What the peer reaches."""
    from stable_baselines3 import SAC

    peer = SAC(
        "MlpPolicy",
        gymnasium.make("Pendulum-v1"),
        learning_rate=1e-3,
        tau=0.005,
        batch_size=128,
        buffer_size=STEPS,
        learning_starts=128,
        policy_kwargs={"net_arch": [128, 128]},
        seed=seed,
        device="cpu",
    ).learn(STEPS)
    return mean_return(lambda state: peer.predict(state, deterministic=True)[0])


def compare(seeds):
    """Mean returns of ours and theirs for each seed, shape (seeds, 2)."""
    import torch

    torch.set_num_threads(1)
    found = []
    for seed in range(seeds):
        pair, spent = [], []
        for learner in (ours, theirs):
            spent.append(cpu_s(lambda learner=learner: pair.append(learner(seed))))  # noqa: B023
        told = (
            f"{name} {value:.1f} in {time:.0f} CPU s"
            for name, value, time in zip(("ours", "theirs"), pair, spent, strict=True)
        )
        print(f"seed {seed}: {', '.join(told)}", flush=True)
        found.append(pair)
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    warnings.simplefilter("ignore")
    found = compare(parser.parse_args().seeds)
    print(f"mean: ours {found[:, 0].mean():.1f}, theirs {found[:, 1].mean():.1f}")


if __name__ == "__main__":
    main()
