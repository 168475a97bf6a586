"""WS-DREAM: response time and throughput of real web services as users saw them.

The full matrices circulate in several editions; those whose git names are known are accepted. What was derived
from smaller public files (`ds1_...`, `ds2_...`) is listed beside the originals it came from.
"""

from __future__ import annotations

import json
from importlib.resources import files

from qoslab.datasets.dataset import DataFile, Dataset, Edition, github
from qoslab.datasets.registry import register_dataset

_WSDREAM = ("wsdream/wsdream-dataset", "1c3902fd2ee7af179693aa4512129e3fa8c11abc")
_IMSLD = ("imsld/Deep-Autoencoder-QoS-Prediction", "01b6eb18dd995d5f65f6a9678752ad9b947d4bb7")
_LDCF = (
    "yinchunhui-ahu/Location-aware_Deep_Collaborative_Filtering",
    "3934e06b4c967f74028a4c37bea49e5079b7fcce",
)
_AMF = ("wsdream/AMF", "f14b110ea128478941f5e86d4c7013b04feca755")
_TASKS = ("whale-ynu/QoS-data-3tasks", "12029e7a906818acf0c3024d3bb925c18b8208c9")
# The matrices have 2 million cells of about six characters; their exact lengths are not published.
_MATRIX_LIMIT = 32 << 20

_TSC = """\
@article{zheng2014investigating,
  author = {Zheng, Zibin and Zhang, Yilei and Lyu, Michael R.},
  title = {Investigating {QoS} of Real-World Web Services},
  journal = {IEEE Transactions on Services Computing},
  volume = {7},
  number = {1},
  pages = {32--39},
  year = {2014}
}
"""
_TNSM = """\
@article{lian2023towards,
  author = {Lian, Huiqiang and Li, Jiahui and Wu, Hao and Zhao, Yiji and Zhang, Lei and Wang, Xin},
  title = {Towards Effective Personalized Service {QoS} Prediction from the Perspective of Multi-Task Learning},
  journal = {IEEE Transactions on Network and Service Management},
  year = {2023},
  doi = {10.1109/TNSM.2023.3236348}
}
"""
_HOME = "https://github.com/wsdream/wsdream-dataset"
_DERIVED = "it was computed from published files and is handed on in the project's data folder only"


def _derived(name: str, size: int, sha256: str) -> DataFile:
    return DataFile.of(name, sha256, size, folder_path=f"wsdream/{name}")


def _matrix(name: str, *editions: tuple[str, str]) -> DataFile:
    return DataFile(
        name=name,
        editions=tuple(Edition(git_sha1=git_sha1, note=note) for git_sha1, note in editions),
        url=github(*_IMSLD, f"dataset/dataset1/{name}"),
        limit_bytes=_MATRIX_LIMIT,
    )


register_dataset(
    Dataset(
        id="wsdream-1",
        summary="WS-DREAM #1: 339 users x 5,825 web services, response time (s) and throughput (kbps), with context",
        licence="MIT",
        licence_note="MIT by CUHK for the data; the repository the files come from states no licence of its own",
        citation=_TSC,
        redistributable=True,
        homepage=_HOME,
        obtain="https://zenodo.org/record/1133476 has wsdream_dataset1.zip; unpack it",
        files=(
            _matrix(
                "rtMatrix.txt",
                ("965f9cae06bcf9388f63d8e96c058914f4d10082", "imsld"),
                ("c02531ed158f2a8253d715c9d766c9338722624e", "wsdream/AMF, HRMI, QoSEraser, ReCF"),
                ("8638f2d5e0c9dff0597b12baf0e8bbe1c9700c7f", "HTCF, AutoLLMCompose"),
            ),
            _matrix(
                "tpMatrix.txt",
                ("c5c471c2fcdbe97a9195c43a6a3977441b1cb0f9", "imsld, HTCF, AutoLLMCompose"),
                ("c54027a0147169d25edd4593274fcf6904bbb20f", "first edition"),
            ),
            DataFile.of(
                "userlist.txt",
                "853a81fd54307dba9f30c266067209c7bb81bf61a1839d54615cae6368eb71d0",
                30888,
                git_sha1="236a931f9a8cdc5a2584bf510364e28e19197d29",
                url=github(*_IMSLD, "dataset/dataset1/userlist.txt"),
                folder_path="wsdream/ds1_userlist.txt",
            ),
            DataFile.of(
                "wslist.txt",
                "e874f4b36518c343f05372be451527d1df5aa1f41eb2047ec47062fce13ad82c",
                905556,
                git_sha1="b3a9b6ca19a90820371980b53ffc0569f6b4b732",
                url=github(*_IMSLD, "dataset/dataset1/wslist.txt"),
            ),
            DataFile.of(
                "readme.txt",
                "81a9d3a1db7d29d13d0742c9b87f88f470c007169909da02f20bc95af180721a",
                2784,
                git_sha1="68905f5a8ce377426c247dda90024fd92a674cff",
                url=github(*_WSDREAM, "dataset1/readme.txt"),
                folder_path="wsdream/ds1_readme.txt",
            ),
            DataFile.of(
                "LICENSE",
                "da0ea64355e5976cef84796217cd5fe28c8dd5e8606386e870fbbc6da8ab814f",
                1111,
                git_sha1="b0cf42a50a057f9ce7de5f752dae692a7516bfa9",
                url=github(*_WSDREAM, "LICENSE"),
                folder_path="wsdream/LICENSE.wsdream-dataset",
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="wsdream-1-ldcf",
        summary="WS-DREAM #1, the 5 % training samples published with LDCF, with country and AS codes",
        licence="MIT",
        licence_note="MIT by CUHK for the data; the repository dropped its own MIT file later",
        citation=_TSC,
        redistributable=True,
        homepage="https://github.com/" + _LDCF[0],
        files=(
            DataFile.of(
                "rt_train_0.05.txt",
                "36675d06232bec8c1bd6d10a7b0edf04cd3d34e7d53bcb81b6218a8c35a0cbf8",
                2663817,
                git_sha1="cc226cb5abd8d626a89160250152529a8a346a9d",
                url=github(*_LDCF, "Data/WSDream/Dataset#1/rt_train_0.05.txt"),
            ),
            DataFile.of(
                "tp_train_0.05.txt",
                "5bca23407ac760c8c61386c84dcbb37ee5e9310fd2d688f5ecc2d350817c6afc",
                2728299,
                git_sha1="9ff88a96ac7c547ab97dc402eab7d09e17f2d5a3",
                url=github(*_LDCF, "Data/WSDream/Dataset#1/tp_train_0.05.txt"),
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="wsdream-1-sample",
        summary="WS-DREAM #1 as far as small public files give it: 11.4 % of the response times, 5 % of throughputs",
        licence="MIT",
        licence_note="MIT by CUHK for the data",
        citation=_TSC,
        redistributable=True,
        homepage=_HOME,
        obtain=_DERIVED + "; wsdream-1-ldcf has the originals",
        files=(
            _derived(
                "ds1_5pct.npz", 788008, "e6bfd6480ea7a35ae305aa39e11183ae5cd192d259c435066cde930caf1cff50"
            ),
            _derived(
                "ds1_rt_extra_142x4500.npz",
                280113,
                "9321ed791fb631ad64e10d9defbbf275596ebcb3dfe076f5b28a38f120efd296",
            ),
            _derived(
                "ds1_wslist.txt.gz",
                186273,
                "0a719a68037a46b09a3aac161259a97d3c46a26341fa5caf3a5ebc3ced52923e",
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="wsdream-2-sample",
        summary="WS-DREAM #2: 142 users x 4,500 web services x 64 time slots, response times, and means over time",
        licence="MIT",
        licence_note="MIT by CUHK for the data; taken from a denser edition whose extra 3 % of cells is unexplained",
        citation=_TSC,
        redistributable=True,
        homepage=_HOME,
        obtain=_DERIVED + "; wsdream-2-slots has the originals",
        files=(
            _derived(
                "ds2_rt_64slots_ms_uint16.npz",
                47758474,
                "aaf8c1c8dcd05a191e76a55b7acaad22a3c9b419541599bfd2e060da3df15186",
            ),
            _derived(
                "ds2_mean_joint_rt_tp.npz",
                2589254,
                "76c7f2437d7e3a1c101b75fa3f1e4298c7a9ee269449154f538a52462b02f5cd",
            ),
            DataFile.of(
                "rttdata_first1000_lines.txt",
                "f45001f7d359f1666bd275e899eb76ca89e8f5487672e1cba00c914039454ea8",
                13153,
                git_sha1="4aa9ecc35be490d90e3fbc96ff89d4a45118f349",
                url=github(*_AMF, "data/dataset#2/rttdata.txt"),
                folder_path="wsdream/ds2_rttdata_first1000_lines.txt",
            ),
            DataFile.of(
                "readme.txt",
                "07bde7e42e3f075bc37861ded5e117bc6002bb420918df7331e175b448ec9101",
                2010,
                git_sha1="822ad61f08c67c44bfff42f6be23a0283befebc1",
                url=github(*_WSDREAM, "dataset2/readme.txt"),
                folder_path="wsdream/ds2_readme.txt",
            ),
        ),
    )
)


def _slots() -> tuple[DataFile, ...]:
    table = json.loads(files("qoslab.datasets.tables").joinpath("wsdream_slots.json").read_bytes())
    folder = "dataset/dataset2/slots/rtdata/"
    return tuple(
        DataFile.of(name, sha256, size, url=github(*_IMSLD, folder + name)) for name, size, sha256 in table
    )


register_dataset(
    Dataset(
        id="wsdream-2-slots",
        summary="WS-DREAM #2, response time: one 142 x 4,500 text matrix for each of 64 time slots (204 MB)",
        licence="MIT",
        licence_note="MIT by CUHK for the data; the repository the files come from states no licence of its own",
        citation=_TSC,
        redistributable=True,
        homepage="https://github.com/" + _IMSLD[0],
        files=_slots(),
    )
)

register_dataset(
    Dataset(
        id="qos-3-tasks",
        summary="112 users x 35 web services: response time, throughput and reliability, from WS-DREAM",
        licence="none stated",
        licence_note="derived from WS-DREAM (MIT); the repository states no licence",
        citation=_TNSM + _TSC,
        redistributable=False,
        homepage="https://github.com/" + _TASKS[0],
        obtain=_DERIVED + "; small_3t.csv is its content",
        files=(
            DataFile.of(
                "small_3t.csv",
                "00798d7722b56e53a838a43cca9d6f3a69797e2ef782a71c02f05f60704ffa37",
                684285,
                git_sha1="07d24d2be0945077609b3146a08392581316816f",
                url=github(*_TASKS, "small_3t.csv"),
            ),
            _derived(
                "qos3_small_3t.csv.gz",
                58600,
                "d1aec8bdaf8725cedea5439ed3194b3f776a7fcd6ea9ca84d536e340e0f43a42",
            ),
        ),
    )
)
