"""What setup.cfg cannot say: the users' scripts are a package inside `maml_tf`.

In a checkout they lie in training/ and run as `python -m training.NAME`; a wheel holds
the same files as `maml_tf.commands`, behind the command `maml-tf`. They import each
other relatively, so both work.
"""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithoutConftest(build_py):
    """Leaves pytest's settings, which lie beside the scripts, out of the wheel."""

    def find_package_modules(
        self, package: str, package_dir: str
    ) -> list[tuple[str, str, str]]:
        modules = super().find_package_modules(package, package_dir)
        return [found for found in modules if found[1] != "conftest"]


setup(
    packages=[
        *find_packages(include=["maml_tf", "maml_tf.*"]),
        "maml_tf.commands",
        "maml_tf.commands.common",
    ],
    package_dir={"maml_tf.commands": "training"},
    cmdclass={"build_py": BuildWithoutConftest},
)
