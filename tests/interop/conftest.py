"""What the interoperation needs: Node.js with openid-client, and the government log-in as a process of its own."""

import shutil

import pytest

from tests.browser.conftest import government_login, login_port, settings
from tests.conftest import PROJECT

__all__ = ["government_login", "login_port", "settings"]

NODE_MODULES = PROJECT / "node_modules"


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node", path=f"{PROJECT / '.venv' / 'bin'}") or shutil.which("node")
    if found is None:
        pytest.skip("no Node.js on this machine")
    if not (NODE_MODULES / "openid-client").is_dir():
        pytest.fail("openid-client is not installed: make interop")
    return found
