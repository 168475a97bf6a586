"""Kept models: nothing is lost on the way, nothing damaged or dangerous is read, nothing half-written is left."""

import json
import pickle

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.core.files import DiskFull
from qoslab.domains.prediction.deploy import kept
from qoslab.domains.prediction.deploy.kept import KeptModel, load_model, save_model

pytest.importorskip("safetensors", reason="needs the extra 'learn'")


@pytest.fixture
def folder(world, tmp_path):
    save_model(tmp_path / "model", world[2])
    return tmp_path / "model"


def test_what_is_kept_comes_back(world, folder):
    model, again = world[2], load_model(folder)
    assert again.about.model_copy(update={"sha256": model.about.sha256}) == model.about
    for name, array in model.arrays.items():
        np.testing.assert_allclose(again.arrays[name], array, rtol=1e-6, atol=1e-12, err_msg=name)
    assert sorted(file.name for file in folder.iterdir()) == ["model.json", "model.safetensors"]


def test_ends_of_the_range_are_kept_whole(world, tmp_path):
    """Of 0.9 and 0.1 float32 keeps 0.89999998 and 0.10000000149: cells that measured them would lie outside."""
    path = changed(world, tmp_path, highest=np.array([0.9, 7.1]), lowest=np.array([0.1, 1e-3]))
    arrays = load_model(path).arrays
    assert arrays["highest"].tolist() == [0.9, 7.1]
    assert arrays["lowest"].tolist() == [0.1, 1e-3]


def test_a_model_is_never_overwritten(world, folder):
    with pytest.raises(BadInput, match="exists already"):
        save_model(folder, world[2])


def test_nothing_half_written_is_left(world, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "write_whole", full)
    with pytest.raises(DiskFull, match="no space"):
        save_model(tmp_path / "model", world[2])
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_is_refused_unread(folder):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadInput, match="these are no weights"):
        load_model(folder)
    (folder / "model.safetensors").rename(folder / "model.pkl")
    with pytest.raises(BadInput, match=r"model\.pkl is not read: a pickle may run anything"):
        load_model(folder)


def test_other_weights_are_refused(world, folder):
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BadInput, match=r"not the weights that model\.json names"):
        load_model(folder)


def changed(world, tmp_path, **arrays):
    model = world[2]
    save_model(tmp_path / "odd", KeptModel(model.about, model.arrays | arrays))
    return tmp_path / "odd"


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("values", np.ones((2, 3, 4)), "array 'values' has the shape"),
        ("floor", np.ones((2, 1)), "array 'floor' has 2 axes instead of 1"),
        ("highest", np.array([1.0, np.nan]), "array 'highest' holds a value that is not finite"),
        ("more", np.ones(1), "array 'more' is missing or unknown"),
        ("scores", np.ones((9, 3)), "array 'scores' has the shape"),
        ("newcomers", np.ones((2, 2)), "array 'newcomers' has 2 columns instead of 3"),
        ("newcomers", np.zeros((2, 3)), "a factor that is not above zero"),
    ],
)
def test_arrays_that_do_not_fit_are_named(world, tmp_path, name, array, message):
    with pytest.raises(BadInput, match=message):
        load_model(changed(world, tmp_path, **{name: array}))


def test_cells_beyond_the_table_are_refused(world, tmp_path):
    users = world[2].arrays["known/users"].copy()
    users[0] = 60
    with pytest.raises(BadInput, match="a known cell names a user that does not exist"):
        load_model(changed(world, tmp_path, **{"known/users": users}))


def test_large_files_are_not_read(folder, monkeypatch):
    monkeypatch.setattr(kept, "MAX_ABOUT_BYTES", 10)
    with pytest.raises(BadInput, match="MiB are not read"):
        load_model(folder)


def test_a_wrong_description_names_its_field(folder):
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"level": 1.5}))
    with pytest.raises(BadInput, match="level"):
        load_model(folder)
    (folder / "model.json").write_text(json.dumps(about | {"secret": 1}))
    with pytest.raises(BadInput, match="secret"):
        load_model(folder)


def test_a_model_of_another_form_says_what_to_do(folder):
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"version": 2}))
    with pytest.raises(BadInput, match=r"another form \(2\) than is read here \(4\)") as refused:
        load_model(folder)
    assert "train the model again" in str(refused.value)


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("users", lambda ids: [ids[1], ids[0], *ids[2:]], "something in it was changed"),
        ("parameters", lambda names: names[::-1], "something in it was changed"),
        ("words", lambda words: {}, "something in it was changed"),
        ("users", lambda ids: [ids[1], *ids[1:]], "users: '1' stands there twice"),
        ("services", lambda ids: [*ids[:-1], ids[0]], "'0' stands there twice"),
        ("parameters", lambda names: ["rt", "rt"], "'rt' stands there twice"),
        ("user_context", lambda codes: {"country": [10**30] * 60}, "user_context"),
        ("users", lambda ids: ["u" * 1001, *ids[1:]], "at most 1000 characters"),
    ],
)
def test_a_description_that_was_changed_is_refused(folder, field, change, message):
    """Users swapped, parameters swapped: all shapes fit, and every answer would be somebody else's."""
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about))
    load_model(folder)
    (folder / "model.json").write_text(json.dumps(about | {field: change(about[field])}))
    with pytest.raises(BadInput, match=message):
        load_model(folder)


def test_no_model_here(tmp_path):
    with pytest.raises(BadInput, match="there is no model here"):
        load_model(tmp_path)
