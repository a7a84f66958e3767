"""A stand-in for the game below the real minerl 0.4.4: what the game's mod says over its socket.

It is NOT the game. minerl starts it as its `launchClient.sh`, one for each agent, and sends it
missions and time steps. It writes down what it was sent, into the file that MINERL_MOD_LOG names.
Messages either way have their length before them, 4 bytes, most significant first.
"""

import json
import os
import re
import socket
import struct
import sys

PICTURE = 16 * 16 * 3
STATS = ("xpos", "ypos", "zpos", "yaw", "pitch")
ENTITY = {"name": "MineRLAgent0", "x": 1.0, "y": 4.0, "z": 2.0, "yaw": 3.0, "pitch": 4.0}


def receive(connection):
    def exactly(count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    return exactly(struct.unpack("!I", exactly(4))[0]).decode()


def send(connection, *messages):
    for message in messages:
        connection.sendall(struct.pack("!I", len(message)) + message)


class Agent:
    def __init__(self, port):
        self.port, self.role, self.place = port, None, None

    def note(self, kind, what):
        with open(os.environ["MINERL_MOD_LOG"], "a") as log:
            log.write(json.dumps([kind, self.role, what]) + "\n")

    def observation(self):
        report = dict(zip(STATS, self.place))  # noqa: B905
        report["entities"] = [ENTITY]
        return bytes([10 * self.role]) * PICTURE, json.dumps(report).encode()

    def begin(self, mission, token):
        self.role = int(re.search(r"<ClientRole>(\d+)", mission).group(1))
        placement = re.findall(r"<Placement[^>]*>", mission)[self.role]
        keys = ("x", "y", "z", "yaw", "pitch")
        self.place = [float(re.search(rf' {k}="([^"]*)"', placement).group(1)) for k in keys]
        self.note("mission", self.place)
        self.note("seed", int(token.split(":")[-1]))

    def answer(self, connection, message):
        """Returns whether the talk goes on."""
        yes = struct.pack("!I", 1)
        if "<MissionInit" in message:
            self.begin(message, receive(connection))
            send(connection, yes)
        elif message.startswith("<Find"):
            send(connection, struct.pack("!I", self.port))
        elif message.startswith("<Peek"):
            send(connection, *self.observation(), struct.pack("!b", 0))
        elif message.startswith("<StepClient"):
            self.note("step", re.search(r">(.*)<", message, re.DOTALL).group(1).split("\n"))
            picture, report = self.observation()
            send(connection, picture, struct.pack("!dbb", 0.0, 0, 1), report)
        elif message.startswith("<Quit"):
            send(connection, yes)
        elif message.startswith("<Exit"):
            send(connection, yes)
            sys.exit()
        return not message.startswith("<Disconnect")


def main():
    port = int(sys.argv[sys.argv.index("-port") + 1])
    agent, server = Agent(port), socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(5)
    print(f"***** Start MalmoEnvServer on port {port}\nCLIENT enter state: DORMANT", flush=True)
    while True:
        connection, _ = server.accept()
        try:
            while agent.answer(connection, receive(connection)):
                pass
        except (EOFError, ConnectionError):
            pass  # the next connection is that of the next episode


if __name__ == "__main__":
    main()
