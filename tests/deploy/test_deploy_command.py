"""`otel-dbmon deploy` as a person runs it: look, apply in phases, apply again, go back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from making import make, tree

from otel_dbmon.command import main

FILES = {
    "services.yaml": """\
stage: production
services:
  - {name: user-svc, path: backend/user-svc, team: accounts}
  - {name: order-svc, path: backend/order-svc}
""",
    "backend/user-svc/requirements.txt": "flask\n",
    "backend/user-svc/Dockerfile": 'FROM python\nCMD ["python", "app.py"]\n',
    "backend/user-svc/.env": "DATABASE_URL=postgresql://app:hunter2@db/app\n",
    "backend/order-svc/pyproject.toml": '[project]\nname = "order"\ndependencies = []\n',
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two services, and the working folder."""
    make(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_looking_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The difference is shown; what it is not about, and what is secret, is not."""
    before = tree(root)
    assert main(["deploy", "--services", "services.yaml", "--output", "stack"]) == 0
    shown = capsys.readouterr().out
    assert "+otel-dbmon>=" in shown
    assert '+CMD ["opentelemetry-instrument", "python", "app.py"]' in shown
    assert "+OTEL_SERVICE_NAME=user-svc" in shown
    assert "secrets/ca.key (secret)" in shown
    assert "hunter2" not in shown
    assert "PRIVATE KEY" not in shown
    assert "nothing was. Add --apply." in shown
    assert tree(root) == before


def test_a_roll_out_in_phases_and_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first service, then the rest, then nothing more; two steps back is where it began."""
    command = ["deploy", "--services", "services.yaml", "--output", "stack", "--apply"]
    states = [tree(root)]
    for phase, services in (("1", "user-svc"), ("all", "user-svc, order-svc")):
        assert main([*command, "--phase", phase]) == 0
        assert re.search(rf"Phase \d: {services}\. \d+ files written\.", capsys.readouterr().out)
        states.append(tree(root))
    assert "otel-dbmon" not in states[1]["backend/order-svc/pyproject.toml"][1].decode()  # type: ignore[union-attr]
    # Going on from a later phase never forgets a service that is set up.
    for phase in ("all", "1"):
        assert main([*command, "--phase", phase]) == 0
        assert "Nothing to change." in capsys.readouterr().out
        assert tree(root) == states[2]
    journal = "stack/.otel-dbmon/journal.json"
    assert main(["deploy", "--output", "stack", "--rollback"]) == 0
    assert {**tree(root), journal: None} == {**states[1], journal: None}
    assert main(["deploy", "--output", "stack", "--rollback", "--all"]) == 0
    assert tree(root) == states[0]
    assert main(["deploy", "--output", "stack", "--rollback"]) == 1


def test_the_page_says_what_was_done(root: Path) -> None:
    """Files, notes, the way back; no value of the environment."""
    assert main(["deploy", "--services", "services.yaml", "--output", "stack", "--phase", "1", "--apply"]) == 0
    page = (root / "stack" / "DEPLOYMENT.md").read_text()
    assert "- `backend/user-svc/requirements.txt`: asks for otel-dbmon" in page
    assert "- `backend/user-svc/Dockerfile`: starts the service under opentelemetry-instrument" in page
    assert "Later: order-svc" in page
    assert "--rollback" in page
    record = json.loads((root / "stack" / "deployment.json").read_text())
    assert [service["name"] for service in record["services"]] == ["user-svc"]


def test_services_without_an_inventory(root: Path) -> None:
    """Named on the command line."""
    services = ["--service", "user-svc=./backend/user-svc", "--service", "order-svc=backend/order-svc"]
    assert main(["deploy", *services, "--apply"]) == 0
    assert "otel-dbmon>=" in (root / "backend/order-svc/pyproject.toml").read_text()
    assert (root / "otel-dbmon-stack" / "secrets" / "ca.pem").is_file()


def test_a_mistake_in_the_inventory(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its line and field are told, nothing is written, the exit code is that of a wrong call."""
    make(root, {"services.yaml": "services:\n  - name: user-svc\n    pth: backend/user-svc\n"})
    before = tree(root)
    assert main(["deploy", "--services", "services.yaml", "--apply"]) == 2
    assert 'services.yaml:3: services[0].pth: unknown field; did you mean "path"?' in capsys.readouterr().err
    assert tree(root) == before


def test_a_file_of_the_stack_that_a_person_edited_stays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Until told otherwise."""
    command = ["deploy", "--services", "services.yaml", "--output", "stack", "--apply"]
    assert main(command) == 0
    edited = root / "stack" / ".env"
    edited.write_text("DBMON_UID=7\n")
    assert main(command) == 0
    assert edited.read_text() == "DBMON_UID=7\n"
    assert "edited since, so it stays" in capsys.readouterr().out
    assert main([*command, "--overwrite"]) == 0
    assert edited.read_text() != "DBMON_UID=7\n"


def test_secrets_are_made_anew_when_asked(root: Path) -> None:
    """And can be undone like all else."""
    command = ["deploy", "--services", "services.yaml", "--output", "stack", "--apply"]
    assert main(command) == 0
    before = tree(root / "stack" / "secrets")
    assert main([*command, "--renew", "passwords", "--renew", "authority"]) == 0
    after = tree(root / "stack" / "secrets")
    assert {name for name in before if before[name] == after[name]} <= {"web"}
    assert main(["deploy", "--output", "stack", "--rollback"]) == 0
    assert tree(root / "stack" / "secrets") == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--services", "services.yaml", "--service", "a=b"],
        ["--rollback", "--apply"],
        ["--services", "services.yaml", "--force"],
        ["--services", "services.yaml", "--phase", "0"],
        ["--services", "services.yaml", "--phase", "soon"],
        ["--services", "nowhere.yaml"],
    ],
)
def test_a_wrong_command_line(root: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Is told of, and nothing happens."""
    before = tree(root)
    assert main(["deploy", *arguments]) == 2
    assert capsys.readouterr().err
    assert tree(root) == before


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """For editors."""
    assert main(["deploy", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["required"] == ["services"]


def test_alertmanager_tells_only_where_it_has_a_secret(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A way without its secret is left out and told of; once the secret is there, the next apply brings it back."""
    command = ["deploy", "--services", "services.yaml", "--output", "stack", "--apply"]
    configuration = root / "stack" / "alertmanager" / "alertmanager.yml"
    assert main(command) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "tells nobody by pagerduty-database, pagerduty-platform, slack-database, slack-platform" in shown
    assert "webhook_configs" in configuration.read_text()
    assert "slack_configs" not in configuration.read_text()
    (root / "stack" / "secrets" / "slack.url").write_text("https://hooks.example.com/T1")
    assert main(command) == 0
    assert "tells nobody by pagerduty-database, pagerduty-platform, email, watchdog" in " ".join(
        capsys.readouterr().out.split()
    )
    assert "slack_configs" in configuration.read_text()
