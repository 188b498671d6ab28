"""Clients of container registries that cost so little that they do not measure themselves.

Those that push send bytes that lie in memory, framed as docker frames them. Those that pull have the
kernel drop what arrives, so they see how much it is and not what. Each is a process of its own, or
several are threads of one process that do nothing but wait.
"""

import concurrent.futures
import hashlib
import http.client
import multiprocessing
import os
import select
import socket
import threading
import time
import urllib.parse

from bench import KIB, MIB, SECONDS, pattern

# Where images are, in every registry.
IMAGE = "/v2/images/app"
# A layer is its own first bytes, then a block again and again, in chunks as large as docker's.
BLOCK, CHUNK = 2 * MIB, 32 * KIB
# What a client drops at once.
DROPPED = MIB


def chunked(body):
    """`body` as it is sent by who does not say how long it will be."""
    pieces = (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


class Layer:
    """Bytes that no other layer has, and how they are sent."""

    block = pattern(BLOCK)
    rest_of_block, framed_block = block[CHUNK:], chunked(block)
    framed_rest = chunked(rest_of_block)

    def __init__(self, length):
        self.beginning, self.repetitions = os.urandom(CHUNK), length // BLOCK - 1
        digest = hashlib.sha256(self.beginning + self.rest_of_block)
        for _ in range(self.repetitions):
            digest.update(self.block)
        self.digest = f"sha256:{digest.hexdigest()}"

    def body(self):
        return self.beginning + self.rest_of_block + self.block * self.repetitions

    def send(self, connection):
        connection.sendall(chunked(self.beginning))
        connection.sendall(self.framed_rest)
        for _ in range(self.repetitions):
            connection.sendall(self.framed_block)
        connection.sendall(b"0\r\n\r\n")

    @classmethod
    def sent_bytes(cls, length):
        """How many bytes `send` sends."""
        return length // BLOCK * len(cls.framed_block) + len(b"0\r\n\r\n")


class Sink:
    """Takes pushes of layers of one length as fast as they come, and forgets them."""

    def __init__(self, length):
        self.body = Layer.sent_bytes(length)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        statuses = {b"POST": 202, b"PATCH": 202, b"PUT": 201}
        while head := read_head(connection):
            method = head.split(b" ", 1)[0]
            if method == b"PATCH":
                drop(connection, self.body)
            connection.sendall(b"HTTP/1.1 %d .\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" % statuses[method])


def read_head(connection):
    """The head of a message and nothing of what follows; nothing if the other side has closed."""
    head, length = b"", 0
    while not length:
        seen = connection.recv(16 * KIB, socket.MSG_PEEK)
        if not seen:
            return b""
        length = seen.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in seen else 0
        head = seen[:length]
    connection.recv(length)
    return head


def drop(connection, length):
    """Has the kernel throw away `length` bytes instead of copying them."""
    nowhere = bytearray(DROPPED)
    while length:
        count = connection.recv_into(nowhere, min(length, DROPPED), socket.MSG_TRUNC)
        if not count:
            raise RuntimeError(f"a body ended {length} bytes short")
        length -= count


def ask(connection, method, target, expected, body=None, headers=None):
    connection.request(method, target, body, headers or {})
    return answered(connection, expected)


def answered(connection, expected):
    """Where an answer sends its client, as a target at the same host."""
    response = connection.getresponse()
    text = response.read()
    if response.status != expected:
        raise RuntimeError(f"{response.status} and not {expected}: {text[:200]}")
    location = urllib.parse.urlsplit(response.getheader("Location", ""))
    return urllib.parse.urlunsplit(("", "", *location[2:4], ""))


def push(connection, layer):
    """Pushes as docker does. When the body was taken and when the upload was closed."""
    target = ask(connection, "POST", f"{IMAGE}/blobs/uploads/", 202)
    connection.putrequest("PATCH", target)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    layer.send(connection.sock)
    target = answered(connection, 202)
    taken = time.monotonic()
    ask(connection, "PUT", f"{target}{'&' if '?' in target else '?'}digest={layer.digest}", 201)
    return taken, time.monotonic()


def join(barrier):
    """What each client process begins with."""
    global everybody_is_ready
    everybody_is_ready = barrier


def in_processes(count, work, *arguments):
    """What `work` returns in each of so many processes."""
    fork = multiprocessing.get_context("fork")
    pool = concurrent.futures.ProcessPoolExecutor(count, fork, initializer=join, initargs=(fork.Barrier(count),))
    with pool:
        return [done.result() for done in [pool.submit(work, *arguments) for _ in range(count)]]


def span(clients):
    """From when the first of them began until the last of them had ended."""
    return max(ended for _, ended in clients) - min(began for began, _ in clients)


def push_layers(port, count, length):
    layers = [Layer(length) for _ in range(count)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    everybody_is_ready.wait(60)
    began = time.monotonic()
    for layer in layers:
        push(connection, layer)
    return began, time.monotonic()


def push_at_once(port, clients, count, length):
    """How long it takes so many clients to push so many layers each, of so many bytes each."""
    return span(in_processes(clients, push_layers, port, count, length))


def pull(connection, target, length):
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = read_head(connection)
    if not head.startswith(b"HTTP/1.1 200 ") or f"\r\ncontent-length: {length}\r\n".encode() not in head.lower():
        raise RuntimeError(f"{target}: {head.decode()}")
    drop(connection, length)


def in_threads(count, client):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: client(), range(count)))


def pull_once(port, clients, target, length):
    ready = threading.Barrier(clients)

    def client():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            ready.wait(60)
            began = time.monotonic()
            pull(connection, target, length)
            return began, time.monotonic()

    return span(in_threads(clients, client))


def pull_repeatedly(port, clients, target, length):
    until = time.monotonic() + SECONDS

    def client():
        count, began = 0, time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.monotonic() < until:
                pull(connection, target, length)
                count += 1
        return count * length / (time.monotonic() - began)

    return sum(in_threads(clients, client))


def pull_at_once(port, clients, target, length):
    """How long it takes until each of so many clients has a file of `length` bytes."""
    return in_processes(1, pull_once, port, clients, target, length)[0]


def pull_for_a_while(port, clients, target, length):
    """The bytes per second of so many clients that pull a file again and again."""
    return in_processes(1, pull_repeatedly, port, clients, target, length)[0]


def head_answered(connection):
    """Reads an answer that has no body."""
    answer = connection.recv(16 * KIB)
    while answer and not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(16 * KIB)
    if answer[9:12] != b"200":
        raise RuntimeError(f"a HEAD was answered with {answer}")


def ask_repeatedly(port, request, connections):
    times, began, poll = [], {}, select.epoll()
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    by_number = {connection.fileno(): connection for connection in opened}
    everybody_is_ready.wait(60)
    until = time.monotonic() + SECONDS
    for number, connection in by_number.items():
        poll.register(number, select.EPOLLIN)
        began[number] = time.monotonic()
        connection.send(request)
    while time.monotonic() < until:
        for number, _ in poll.poll():
            connection = by_number[number]
            head_answered(connection)
            now = time.monotonic()
            times.append(now - began[number])
            began[number] = now
            connection.send(request)
    return times


def ask_for_a_while(port, target, accept, connections):
    """How long each HEAD took, from two processes whose connections ask again at once. wrk cannot do this: it
    waits for the body that such an answer announces."""
    request = f"HEAD {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n\r\n".encode()
    return [took for times in in_processes(2, ask_repeatedly, port, request, connections // 2) for took in times]
