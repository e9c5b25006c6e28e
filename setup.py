"""fairseq-prune: magnitude pruning for fairseq."""

import platform
import re
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # of setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

#: Read and not imported: what the package imports is not there yet.
VERSION = re.search(r'__version__ = "(.+?)"', Path("fairseq_prune", "__init__.py").read_text())[1]
SOURCES = Path("fairseq_prune", "engine", "src")


def engine(level: str, *options: str) -> Extension:
    """The engine for processors of one level, as a library with a C interface.

    Optional: without a compiler everything works, with torch's products.
    """
    return Extension(
        f"fairseq_prune.engine._{level}",
        [str(SOURCES / "engine.cpp")],
        depends=[str(path) for path in SOURCES.glob("*.h")],
        language="c++",
        extra_compile_args=["-std=c++17", "-O3", "-pthread", "-Wno-psabi", "-g0", *options],
        extra_link_args=["-pthread"],
        optional=True,
    )


class BuildEngine(build_ext):
    """Libraries that know nothing of Python, whose version is not in their names."""

    def get_ext_filename(self, fullname):
        return fullname.replace(".", "/") + ".so"


class AnyPython(bdist_wheel):
    """A wheel for all Pythons on one kind of machine, as its libraries are."""

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


ENGINES = [engine("base")]
if platform.machine().lower() in ("x86_64", "amd64"):
    ENGINES.append(engine("avx2", "-mavx2", "-mfma", "-mf16c"))

setup(
    name="fairseq-prune",
    version=VERSION,
    description="Prune, retrain and decode fairseq models (See et al. 2016)",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["fairseq_prune", "fairseq_prune.*"]),
    package_data={"fairseq_prune": ["py.typed"]},
    ext_modules=ENGINES,
    cmdclass={"build_ext": BuildEngine, "bdist_wheel": AnyPython},
    python_requires=">=3.8",
    install_requires=[
        # stock fairseq cannot be imported from Python 3.11 on; fairseq-fixed is the same
        # package, under the same import name, with that put right
        "fairseq>=0.12.2; python_version < '3.11'",
        "fairseq-fixed>=0.12.3; python_version >= '3.11'",
        "torch>=1.13",
        "numpy>=1.17",
        "sacrebleu>=2.0",
        "sentencepiece>=0.1.97",
        "wandb>=0.13",
        "pyyaml>=5.1",
    ],
    extras_require={
        "dev": [
            "pytest>=7",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "ruff",
            "tensorly>=0.8",
            "num2words>=0.5.12",
            "babel>=2.10",
            "safetensors>=0.3",
            "zstandard>=0.18",
            "scikit-learn>=1.0",
            "eflomal>=2.0",
        ],
        # all that reading packed files needs; an extra cannot take away what install_requires
        # brings, so without fairseq and torch: pip install these, then with --no-deps
        "engine": ["numpy>=1.17", "sentencepiece>=0.1.97"],
        "shortlist": ["eflomal>=2.0"],  # pack --shortlist without --alignments
        "tensor-train": ["tensorly>=0.8"],  # factorize --factorization tensor-train
        "plots": ["matplotlib>=3.5"],  # report and grid
        "examples": ["scikit-learn>=1.0", "matplotlib>=3.5"],
    },
    entry_points={"console_scripts": ["fairseq-prune=fairseq_prune.cli.main:main"]},
)
