"""Image sets in their own formats, written byte by byte here; the convolutional network; clients in processes."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.federation.convolution import Convolutional
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.images import (
    CIFAR_BATCHES,
    read_cifar,
    read_cifar_archive,
    read_emnist_archive,
    read_idx,
)
from qoslab.domains.federation.methods.centralised import Centralised
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.scaffold import Scaffold
from qoslab.domains.federation.methods.server_only import ServerOnly
from qoslab.domains.federation.model import run
from qoslab.domains.federation.scenario import FederationScenario, example
from qoslab.domains.federation.training import rounds


def idx(array, kind=8):
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def images(count=80, size=8, seed=0):
    """Class c lights a block of its own; four classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    pixels = rng.integers(0, 60, (count, size, size))
    for row, label in enumerate(labels):
        half = size // 2
        pixels[row, (label // 2) * half :, (label % 2) * half :][:half, :half] += 150
    return pixels.astype(np.uint8), labels.astype(np.uint8)


def scenario(**changes):
    base = example().model_dump() | {"test": 20, "faults": {}, "partition": {"kind": "iid"}}
    base["server"] = base["server"] | {"reserve": 10, "samples": 10}
    return FederationScenario.model_validate(base | changes)


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_read_as_it_was_written(tmp_path, packed):
    array = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    file = tmp_path / "some-idx3-ubyte"
    file.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    np.testing.assert_array_equal(read_idx(file), array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\3\4 something", "is no IDX file"),
        (b"\0\0", "is no IDX file"),
        (idx(np.zeros((2, 2)), kind=13), r"holds values of type 13; unsigned bytes \(8\) are read"),
        (bytes([0, 0, 8, 3]) + b"\0\0", "ends within its header"),
        (idx(np.zeros((3, 4)))[:-1], "holds 11 values and declares 3 x 4"),
        (idx(np.zeros((3, 4))) + b"\0", "holds 13 values and declares 3 x 4"),
        (gzip.compress(idx(np.zeros((3, 4))), mtime=0)[:-9], "cannot be unpacked"),
    ],
)
def test_what_is_no_idx_file_is_told(tmp_path, content, words):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(BadInput, match=f"bad {words}"):
        read_idx(tmp_path / "bad")


def test_cifar_batches_are_read_plane_by_plane(tmp_path):
    rng = np.random.default_rng(1)
    pixels, labels = (
        rng.integers(0, 256, (5, 3, 32, 32)).astype(np.uint8),
        np.array([3, 9, 0, 1, 7], np.uint8),
    )
    records = b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True))
    (tmp_path / "a.bin").write_bytes(records[: 2 * 3073])
    (tmp_path / "b.bin").write_bytes(records[2 * 3073 :])
    found, classes = read_cifar([tmp_path / "a.bin", tmp_path / "b.bin"])
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(classes, labels)
    (tmp_path / "a.bin").write_bytes(records[:3000])
    with pytest.raises(BadInput, match="no whole number of records of 3073"):
        read_cifar([tmp_path / "a.bin"])
    (tmp_path / "a.bin").write_bytes(b"\x0a" + records[1:3073])
    with pytest.raises(BadInput, match="record 0 is of class 10"):
        read_cifar([tmp_path / "a.bin"])


def written(tmp_path):
    pixels, labels = images()
    (tmp_path / "images").write_bytes(idx(pixels))
    (tmp_path / "labels").write_bytes(idx(labels))
    return {"kind": "idx", "images": str(tmp_path / "images"), "labels": str(tmp_path / "labels")}


def test_images_of_ones_own_are_learned(tmp_path):
    world = scenario(data=written(tmp_path), rounds=30, hidden=(16,), training={"steps": 5, "batch": 8})
    (outcome,) = run(world, FedAvg(), [Seed()], Context())
    assert outcome.metrics["accuracy"] > 0.9
    task = make_task(world, Seed())
    assert task.x.shape == (80, 64)
    assert task.x.max() <= 1.0
    few = make_task(scenario(data=written(tmp_path) | {"samples": 50}), Seed())
    assert len(few.y) == 50


def test_mnist_comes_from_the_registry(tmp_path):
    written(tmp_path)
    asked = []

    def dataset(name):
        asked.append(name)
        return tmp_path / ("images" if "images" in name else "labels")

    task = make_task(scenario(data={"kind": "mnist"}), Seed(), Context(dataset=dataset))
    assert asked == ["mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"]
    assert task.classes == 4


def test_cifar_comes_from_the_registered_archive(tmp_path):
    """Five batches in a tar archive, of which the last class and pixel must come out last."""
    rng, file = np.random.default_rng(0), tmp_path / "archive.tar.gz"
    batches = [rng.integers(0, 10, (6, 3073), np.uint8) for _ in range(5)]
    with tarfile.open(file, "w:gz") as archive:
        for name, batch in reversed(list(zip(CIFAR_BATCHES, batches, strict=True))):
            entry = tarfile.TarInfo(name)
            entry.size = batch.size
            archive.addfile(entry, io.BytesIO(batch.tobytes()))
    pixels, labels = read_cifar_archive(file)
    whole = np.concatenate(batches)
    np.testing.assert_array_equal(labels, whole[:, 0])
    np.testing.assert_array_equal(pixels.reshape(30, -1), whole[:, 1:])
    asked = []
    world = scenario(data={"kind": "cifar"}, test=5, server={"reserve": 3, "samples": 3})
    task = make_task(world, Seed(), Context(dataset=lambda name: asked.append(name) or file))
    assert asked == ["cifar-10/cifar-10-binary.tar.gz"]
    assert task.x.shape == (30, 3072)
    with tarfile.open(file, "w:gz"):
        pass
    with pytest.raises(BadInput, match="no archive of CIFAR-10's binary batches"):
        read_cifar_archive(file)


def test_emnist_comes_upright_from_the_registered_archive(tmp_path):
    file = tmp_path / "gzip.zip"
    images, labels = np.arange(40 * 28 * 28).reshape(40, 28, 28).astype(np.uint8), np.arange(40) % 26 + 1
    with zipfile.ZipFile(file, "w") as archive:
        for what, table in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            archive.writestr(f"gzip/emnist-letters-train-{what}-ubyte.gz", gzip.compress(idx(table)))
    pixels, classes = read_emnist_archive(file, "letters")
    np.testing.assert_array_equal(pixels[3], images[3].T)
    np.testing.assert_array_equal(classes, labels - 1)
    asked = []
    world = scenario(data={"kind": "emnist", "split": "letters"}, test=5, server={"reserve": 3, "samples": 3})
    task = make_task(world, Seed(), Context(dataset=lambda name: asked.append(name) or file))
    assert asked == ["emnist/gzip.zip"]
    assert task.classes == 26
    with pytest.raises(BadInput, match="has no readable member gzip/emnist-digits"):
        read_emnist_archive(file, "digits")


def test_images_and_classes_that_do_not_belong_together_are_refused(tmp_path):
    data = written(tmp_path)
    (tmp_path / "labels").write_bytes(idx(np.zeros(7)))
    with pytest.raises(BadInput, match="do not belong together"):
        make_task(scenario(data=data), Seed())


def test_a_convolutional_network_needs_images_large_enough(tmp_path):
    with pytest.raises(BadInput, match="data of kind 'planted' has none"):
        make_task(scenario(network="convolutional"), Seed())
    with pytest.raises(BadInput, match="4 halvings leave nothing of 8 x 8 pixels"):
        make_task(scenario(network="convolutional", data=written(tmp_path), channels=(2, 2, 2, 2)), Seed())


def test_gradients_of_the_convolutional_network_are_its_differences():
    pytest.importorskip("torch")
    network, rng = Convolutional((2, 4, 6), (3,), 3), np.random.default_rng(2)
    parameters = rng.standard_normal((2, network.count))
    x, y = rng.standard_normal((2, 5, 48)), rng.integers(0, 3, (2, 5))
    found = network.gradients(parameters, x, y)
    assert network.count == 3 * 2 * 9 + 3 + 3 * 3 * 2 * 3 + 3
    for row in range(2):
        for k in range(0, network.count, 7):
            away = np.zeros(network.count)
            away[k] = 1e-6
            up, down = (network.loss(parameters[row] + sign * away, x[row], y[row]) for sign in (1, -1))
            assert found[row, k] == pytest.approx((up - down) / 2e-6, abs=1e-7)
    np.testing.assert_array_equal(network.gradients(parameters[1], x[1], y[1]), found[1])


def test_the_convolutional_network_computes_what_is_written_down():
    """One 3 x 3 kernel that copies its middle, then the maximum of each 2 x 2 block, then a given dense layer."""
    pytest.importorskip("torch")
    network = Convolutional((1, 2, 2), (1,), 2)
    kernel = np.zeros(9)
    kernel[4] = 1.0
    parameters = np.concatenate([kernel, [0.5], [2.0, -1.0], [0.25, 0.0]])
    scores = network.logits(parameters, np.array([[1.0, 3.0, -2.0, 0.0]]))
    np.testing.assert_allclose(scores, [[2.0 * 3.5 + 0.25, -3.5]])
    assert network.loss(parameters, np.array([[1.0, 3.0, -2.0, 0.0]]), np.array([1])) == pytest.approx(
        np.log(1 + np.exp(7.25 + 3.5))
    )


def test_a_convolutional_network_learns(tmp_path):
    pytest.importorskip("torch")
    world = scenario(
        data=written(tmp_path),
        network="convolutional",
        channels=(4, 4),
        rounds=20,
        training={"steps": 5, "batch": 8, "rate": 0.3},
    )
    (outcome,) = run(world, FedAvg(), [Seed()], Context())
    assert outcome.metrics["accuracy"] > 0.9


@pytest.mark.parametrize("method", [FedAvg(), Scaffold()], ids=lambda method: type(method).__name__)
def test_clients_in_processes_give_the_same_models_bit_for_bit(method):
    world = FederationScenario.model_validate(example().model_dump() | {"rounds": 3})
    alone = list(rounds(world, make_task(world, Seed()), method, Seed(), Context()))
    divided = world.model_copy(update={"processes": 2})
    several = list(rounds(divided, make_task(divided, Seed()), method, Seed(), Context()))
    assert len(alone) == len(several) == 3
    for one, other in zip(alone, several, strict=True):
        np.testing.assert_array_equal(one.model, other.model)


def test_one_place_beats_the_server_alone_and_costs_every_sample():
    world = scenario(rounds=30, data={"kind": "planted", "samples": 400, "features": 8, "classes": 4})
    seeds = [Seed(replication=k) for k in range(4)]
    pooled, alone = (
        [outcome.metrics for outcome in run(world, method, seeds, Context())]
        for method in (Centralised(), ServerOnly())
    )
    assert np.mean([one["accuracy"] for one in pooled]) > np.mean([one["accuracy"] for one in alone]) + 0.02
    samples = 400 - 20 - 10
    assert pooled[0]["traffic_mb"] == pytest.approx(4 * samples * (8 + 1) / 1e6)


def test_one_client_with_everything_and_one_place_take_equally_many_steps():
    """Both are plain gradient descent on nearly the same samples: they end alike."""
    world = scenario(clients=1, sampled=1, rounds=60, training={"steps": 5, "batch": 16})
    one, pooled = (
        next(iter(run(world, method, [Seed()], Context()))).metrics for method in (FedAvg(), Centralised())
    )
    assert pooled["loss"] == pytest.approx(one["loss"], rel=0.3)
