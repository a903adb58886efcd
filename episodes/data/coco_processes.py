"""Work for other processes, line by line, where Python's threads gain nothing."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue


@contextmanager
def processes(command: Sequence[str], count: int) -> Iterator[Callable[[bytes], bytes]]:
    """A function that gives a line to an idle one of `count` processes and waits for its line; for use from threads.

    The command answers each line of its input by one line, and ends when its input does. Processes start when first
    needed and end with the block. An empty answer means that the process broke down, or could not start.

    Those of `multiprocessing` will not do: a fork may find PyTorch's locks held, a spawn runs the caller's script.

    >>> import sys
    >>> program = "import sys; [print(len(line), flush=True) for line in sys.stdin]"
    >>> with processes([sys.executable, "-c", program], 2) as ask:
    ...     ask(b"four\\n")
    b'5\\n'
    """
    idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
    for _ in range(count):
        idle.put(None)
    with ExitStack() as started:

        def ask(line: bytes) -> bytes:
            process = idle.get()
            try:
                if process is None:
                    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                    started.callback(process.communicate)  # ends its input and waits; bears a broken pipe
                assert process.stdin
                assert process.stdout
                process.stdin.write(line)
                process.stdin.flush()
                return process.stdout.readline()
            except OSError:
                return b""
            finally:
                idle.put(process)

        yield ask
