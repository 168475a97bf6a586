"""Real workloads: request traces, request rates, flow sizes, and the drift of equal servers."""

from __future__ import annotations

from qoslab.datasets.dataset import DataFile, Dataset, github
from qoslab.datasets.registry import register_dataset

_AZURE = ("Azure/AzurePublicDataset", "b469a113cedca53ddc3bdea71a143dc4b7d8700c")
_HPCC = ("alibaba-edu/High-Precision-Congestion-Control", "9f4be2a9ead8a90e8bf732c66bd758c00e58e5be")
_HKUST = ("HKUST-SING/TrafficGenerator", "8e7c51680890fb3d91b7bc3e9a56da8e987f1bf7")
_RATES = ("reconfigurable-ml-pipeline/web-service-datasets", "7404ad6643602943511e75ab3095fb1ccc990fd1")


def _file(
    source: tuple[str, str], path: str, folder_path: str, size: int, sha256: str, *, name: str | None = None
) -> DataFile:
    repository, commit = source
    url = github(repository, commit, path)
    name = name or folder_path.rpartition("/")[2]
    return DataFile.of(name, sha256, size, url=url, folder_path=f"workloads/{folder_path}")


_SPLITWISE = """\
@inproceedings{patel2024splitwise,
  author = {Patel, Pratyush and Choukse, Esha and Zhang, Chaojie and Shah, Aashaka and Goiri, {\\'I}{\\~n}igo and
            Maleki, Saeed and Bianchini, Ricardo},
  title = {Splitwise: Efficient Generative {LLM} Inference Using Phase Splitting},
  booktitle = {Proceedings of the International Symposium on Computer Architecture (ISCA)},
  year = {2024}
}
"""

register_dataset(
    Dataset(
        id="azure-llm-2023",
        summary="Requests of two LLM inference services in Azure, 2023-11-11: time, context and output tokens",
        licence="CC-BY-4.0",
        citation=_SPLITWISE,
        redistributable=True,
        homepage="https://github.com/Azure/AzurePublicDataset/blob/master/AzureLLMInferenceDataset2023.md",
        files=(
            _file(
                _AZURE,
                "data/AzureLLMInferenceTrace_code.csv",
                "azure_llm/AzureLLMInferenceTrace_code.csv",
                320117,
                "54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
            ),
            _file(
                _AZURE,
                "data/AzureLLMInferenceTrace_conv.csv",
                "azure_llm/AzureLLMInferenceTrace_conv.csv",
                719188,
                "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
            ),
        ),
    )
)

_TUNA = """\
@inproceedings{freischuetz2025tuna,
  author = {Freischuetz, Johannes and Kanellis, Konstantinos and Kroth, Brian and Venkataraman, Shivaram},
  title = {{TUNA}: Tuning Unstable and Noisy Cloud Applications},
  booktitle = {Proceedings of the Twentieth European Conference on Computer Systems (EuroSys)},
  year = {2025}
}
"""
_NOISE = "vm-noise-data/test_suite={}/vm_lifespan=long/vm_region=eastus/vm_sku={}/unit={}.csv"
_REDIS = "Redis/test_name=Test:_GET_-_Parallel_Connections:_50"
_CPU = "Stress-NG/test_name=Test:_CPU_Stress"

register_dataset(
    Dataset(
        id="azure-vm-noise",
        summary="483 days of Redis and CPU benchmarks on equal Azure virtual machines, 2023-05 to 2024-09",
        licence="CC-BY-4.0",
        citation=_TUNA,
        redistributable=True,
        homepage="https://github.com/Azure/AzurePublicDataset/blob/master/AzureVMNoiseDataset2024.md",
        files=(
            _file(
                _AZURE,
                _NOISE.format(_REDIS, "D8s_v5", "Requests Per Second"),
                "azure_vm_noise/redis_get_50conn_long_eastus_D8s_v5.csv",
                440747,
                "78fb3898eb81c502162c6b7cfa7f4292c95b1ec6153c1a4e4ac57bdd5ebf6a97",
            ),
            _file(
                _AZURE,
                _NOISE.format(_REDIS, "B8ms", "Requests Per Second"),
                "azure_vm_noise/redis_get_50conn_long_eastus_B8ms.csv",
                296160,
                "fa07ce6472dba44fe99c79fa60400c76f75601d4473a2c563613eb0dc48ec7b7",
            ),
            _file(
                _AZURE,
                _NOISE.format(_CPU, "D8s_v5", "Bogo Ops_s"),
                "azure_vm_noise/stressng_cpu_long_eastus_D8s_v5.csv",
                415240,
                "12460353e272113f56044567c0f095ca02d2e1f31aa623529862af8d4724fd49",
            ),
            _file(
                _AZURE,
                _NOISE.format(_CPU, "B8ms", "Bogo Ops_s"),
                "azure_vm_noise/stressng_cpu_long_eastus_B8ms.csv",
                277080,
                "baa9f88d39adf33724cf6b9274b8aba09e1245f71160189d03c48261294f9860",
            ),
        ),
    )
)

_HPCC_PAPERS = """\
@inproceedings{alizadeh2010dctcp,
  author = {Alizadeh, Mohammad and Greenberg, Albert and Maltz, David A. and Padhye, Jitendra and Patel, Parveen and
            Prabhakar, Balaji and Sengupta, Sudipta and Sridharan, Murari},
  title = {Data Center {TCP} ({DCTCP})},
  booktitle = {Proceedings of ACM SIGCOMM},
  year = {2010}
}
@inproceedings{roy2015inside,
  author = {Roy, Arjun and Zeng, Hongyi and Bagga, Jasmeet and Porter, George and Snoeren, Alex C.},
  title = {Inside the Social Network's (Datacenter) Network},
  booktitle = {Proceedings of ACM SIGCOMM},
  year = {2015}
}
@inproceedings{li2019hpcc,
  author = {Li, Yuliang and Miao, Rui and Liu, Hongqiang Harry and Zhuang, Yan and Feng, Fei and Tang, Lingbo and
            Cao, Zheng and Zhang, Ming and Kelly, Frank and Alizadeh, Mohammad and Yu, Minlan},
  title = {{HPCC}: High Precision Congestion Control},
  booktitle = {Proceedings of ACM SIGCOMM},
  year = {2019}
}
"""

register_dataset(
    Dataset(
        id="flow-sizes",
        summary="Flow size distributions of data centres: web search, Hadoop, block storage, RPC",
        licence="none stated",
        licence_note="short tables of numbers from published papers; the repository says nothing for their folder",
        citation=_HPCC_PAPERS,
        redistributable=False,
        homepage="https://github.com/alibaba-edu/High-Precision-Congestion-Control/tree/master/traffic_gen",
        files=(
            _file(
                _HPCC,
                "traffic_gen/WebSearch_distribution.txt",
                "flow_cdf/WebSearch_distribution.txt",
                117,
                "523d92fd941790c770a7a4cbdffaf715e043ef9fd4da2db6374852716bee5ed6",
            ),
            _file(
                _HPCC,
                "traffic_gen/FbHdp_distribution.txt",
                "flow_cdf/FbHdp_distribution.txt",
                165,
                "0cb8d61d7911d633bbd115bb343fd6fb14dcbd3666fe9159bfaa9b1bc101c301",
            ),
            _file(
                _HPCC,
                "traffic_gen/AliStorage2019.txt",
                "flow_cdf/AliStorage2019.txt",
                100,
                "9991c9d4b3a836646a41faa0581d779d32b5f433f7bb0931fe3b51656d33adf1",
            ),
            _file(
                _HPCC,
                "traffic_gen/GoogleRPC2008.txt",
                "flow_cdf/GoogleRPC2008.txt",
                12112,
                "0104a9dfec281bfd891fd76a32be5dd8a527b78484d88c137fead77091bf9bbb",
            ),
        ),
    )
)

_HKUST_PAPER = """\
@inproceedings{bai2016mqecn,
  author = {Bai, Wei and Chen, Li and Chen, Kai and Wu, Haitao},
  title = {Enabling {ECN} in Multi-Service Multi-Queue Data Centers},
  booktitle = {13th USENIX Symposium on Networked Systems Design and Implementation (NSDI)},
  year = {2016},
  pages = {537--549}
}
"""

register_dataset(
    Dataset(
        id="flow-sizes-hkust",
        summary="Flow size distributions as the HKUST traffic generator has them: DCTCP, VL2, Facebook",
        licence="none stated",
        licence_note="short tables of numbers from published papers; the repository has no licence",
        citation=_HKUST_PAPER,
        redistributable=False,
        homepage="https://github.com/HKUST-SING/TrafficGenerator",
        files=(
            _file(
                _HKUST,
                "conf/DCTCP_CDF.txt",
                "flow_cdf/hkust_DCTCP_CDF.txt",
                132,
                "704ae0b300136bf4434889784185a53d747ca1291c63f485cd3ce978799aa664",
                name="DCTCP_CDF.txt",
            ),
            _file(
                _HKUST,
                "conf/FB_CDF.txt",
                "flow_cdf/hkust_FB_CDF.txt",
                178,
                "f70277f01693d3e8379a42af05e2e20a64313cfad700521ad8f512e8e327fc44",
                name="FB_CDF.txt",
            ),
            _file(
                _HKUST,
                "conf/VL2_CDF.txt",
                "flow_cdf/hkust_VL2_CDF.txt",
                127,
                "dd6d222394e80bb440ca062d1961586aa61889bca54773ce1e4b8a204b60b52a",
                name="VL2_CDF.txt",
            ),
        ),
    )
)

_RATES_PAPERS = """\
@inproceedings{arlitt1996web,
  author = {Arlitt, Martin F. and Williamson, Carey L.},
  title = {Web Server Workload Characterization: The Search for Invariants},
  booktitle = {Proceedings of ACM SIGMETRICS},
  year = {1996}
}
@misc{reconfigurable2022rates,
  author = {{reconfigurable-ml-pipeline}},
  title = {web-service-datasets},
  howpublished = {\\url{https://github.com/reconfigurable-ml-pipeline/web-service-datasets}}
}
"""

register_dataset(
    Dataset(
        id="request-rates",
        summary="Requests per second: NASA web server, July and August 1995, and the Twitter stream, August 2021",
        licence="none stated",
        licence_note=(
            "aggregate counts; the NASA logs behind them may be freely redistributed (Internet Traffic Archive), "
            "the repository that counted them has no licence"
        ),
        citation=_RATES_PAPERS,
        redistributable=False,
        homepage="https://github.com/reconfigurable-ml-pipeline/web-service-datasets",
        files=(
            _file(
                _RATES,
                "dataset/nasa/workload.tbz2",
                "rates/nasa_workload.tbz2",
                1184063,
                "7fa62292d993dde1f278eaa039b50860203a86fbc93a8f92150a548191be4ded",
            ),
            _file(
                _RATES,
                "dataset/twitter_trace/workload.tbz2",
                "rates/twitter_workload.tbz2",
                1352422,
                "b13052c83c64d169810fe1cfec35cb6b56c96e17c023156a23c9a067e1ac66bd",
            ),
        ),
    )
)
