"""A usherd for the length of a `with`, and what it said of sign-ons."""

import json
import subprocess
import time

START_S = 10
STOP_S = 30


class Usherd:
    """A daemon on a loopback port of its own, with `settings` as keys of its file."""

    def __init__(self, program, scratch, name, settings, policies):
        config = f"{scratch}/{name}.toml"
        lines = ['listen.tcp = ["127.0.0.1:0"]', 'log_level = "info"']
        # A text or a number in JSON is one in TOML.
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        lines += [f'policy."{key}" = "{value}"' for key, value in policies.items()]
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.log_path = f"{scratch}/{name}.log"
        self.read = 0
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([program, "--config", config], stderr=log)

    def __enter__(self):
        prefix = "listening on tcp 127.0.0.1:"
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up and self.process.poll() is None:
            lines = [line for line in self.log() if line.startswith(prefix)]
            if lines:
                self.port = int(lines[0].removeprefix(prefix))
                self.read = len(self.log())
                return self
            time.sleep(0.02)
        self.process.kill()
        raise RuntimeError(f"usherd does not start: {self.log()}")

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(STOP_S) != 0:
            raise RuntimeError(f"usherd ended with {self.process.returncode}: {self.log()}")

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read().splitlines()

    def verdicts(self):
        """Returns what it has said of sign-ons since it was last asked; waits a little for that."""
        give_up = time.monotonic() + 2
        while True:
            lines = [line for line in self.log()[self.read:]
                     if "signed on" in line or "refused" in line]
            if lines or time.monotonic() > give_up:
                self.read = len(self.log())
                return lines
            time.sleep(0.02)
