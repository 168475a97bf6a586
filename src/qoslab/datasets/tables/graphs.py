"""Graphs beyond the installed topohub package: internet, social, neural, and cache networks."""

from __future__ import annotations

from qoslab.datasets.dataset import DataFile, Dataset, github
from qoslab.datasets.registry import register_dataset

_SNAP = ("snap-stanford/snap", "6924a035aabd1ce0a547b94e995e142f29eb5040")
_SNAP_NOTE = "BSD-3-Clause is the licence of the repository that ships the file as an example"


def _snap(path: str, name: str, size: int, sha256: str) -> DataFile:
    return DataFile.of(name, sha256, size, url=github(*_SNAP, path), folder_path=f"graphs/{name}")


register_dataset(
    Dataset(
        id="as-20000102",
        summary="Internet autonomous systems on 2000-01-02: 6,474 nodes, 12,572 edges, each edge in both directions",
        licence="BSD-3-Clause",
        licence_note=_SNAP_NOTE,
        citation="""\
@inproceedings{leskovec2005graphs,
  author = {Leskovec, Jure and Kleinberg, Jon and Faloutsos, Christos},
  title = {Graphs over Time: Densification Laws, Shrinking Diameters and Possible Explanations},
  booktitle = {Proceedings of ACM SIGKDD},
  year = {2005}
}
""",
        redistributable=True,
        homepage="https://snap.stanford.edu/data/as-733.html",
        files=(
            _snap(
                "examples/as20graph.txt",
                "as20000102-snap.txt",
                293531,
                "20176d41ef35c04a929bd088fe6ef491ab8eb88403dd227fc862f211ad5f25b5",
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="facebook-ego-1912",
        summary="Facebook friendships around one person: 747 nodes, 30,025 edges, each edge in both directions",
        licence="BSD-3-Clause",
        licence_note=_SNAP_NOTE,
        citation="""\
@inproceedings{mcauley2012learning,
  author = {McAuley, Julian and Leskovec, Jure},
  title = {Learning to Discover Social Circles in Ego Networks},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2012}
}
""",
        redistributable=True,
        homepage="https://snap.stanford.edu/data/ego-Facebook.html",
        files=(
            _snap(
                "examples/cesna/1912.edges",
                "facebook-ego-1912.edges",
                600274,
                "78ef1e86f189e6e5ee2b4c4e35397c4f9032130186b1f11c164910e887c636dd",
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="c-elegans-frontal",
        summary="Frontal neurons of C. elegans: 131 nodes, 764 arcs, weakly connected",
        licence="BSD-3-Clause",
        licence_note=_SNAP_NOTE,
        citation="""\
@inproceedings{yin2017local,
  author = {Yin, Hao and Benson, Austin R. and Leskovec, Jure and Gleich, David F.},
  title = {Local Higher-Order Graph Clustering},
  booktitle = {Proceedings of ACM SIGKDD},
  year = {2017}
}
""",
        redistributable=True,
        homepage="https://snap.stanford.edu/data/C-elegans-frontal.html",
        files=(
            _snap(
                "examples/localmotifcluster/C-elegans-frontal.txt",
                "c-elegans-frontal.txt",
                4878,
                "d09987910f980f223aa385b88630590d6d502fd4fb29a42b18198b52cbe9f476",
            ),
        ),
    )
)


def _cachenet(name: str, size: int, sha256: str) -> DataFile:
    return DataFile.of(name, sha256, size, folder_path=f"graphs/{name}")


register_dataset(
    Dataset(
        id="cache-networks",
        summary="Backbones of cache network studies as edge lists: Abilene (9), GEANT (22), Deutsche Telekom (68)",
        licence="none stated",
        licence_note="edge facts taken from a repository without a licence, nodes renumbered",
        citation="""\
@misc{neuspiral2021onlinecache,
  author = {{neu-spiral}},
  title = {{OnlineCache}},
  howpublished = {\\url{https://github.com/neu-spiral/OnlineCache}},
  note = {topologies.py at commit 65b73f65d6ce0926bc787c0cf4f4ab3d9128fa99}
}
""",
        redistributable=False,
        homepage="https://github.com/neu-spiral/OnlineCache",
        obtain="it is served by nobody; topologies.py of github.com/neu-spiral/OnlineCache has the same edges as code",
        files=(
            _cachenet(
                "cachenet-abilene9.txt",
                121,
                "64c1fb274167f362777f5688d03411a78b7ad628561d2b1707b6329d0dacdb5a",
            ),
            _cachenet(
                "cachenet-geant22.txt",
                240,
                "9d476c2ba068a45c682f14f874960a28b9e5d80b0886ae8aa65bc30d4ced80f3",
            ),
            _cachenet(
                "cachenet-dtelekom68.txt",
                1457,
                "c0f7986319db19d1a160e55de6906e429b0ae55093b0208bd2e69659e049be30",
            ),
        ),
    )
)
