"""Alpha as an application of Ray Serve: each replica is a process of its own, and Ray starts more when requests pile up.

    pip install 'ray[serve]' && serve run deploy.ray_serve:app

SERVE_COMMAND is what starts a replica, SERVE_REPLICAS_MAX how many there may be, SERVE_REQUESTS how many requests
a replica should be busy with. Variables of the server, for instance CHECKPOINTS_DIR, are passed on.
"""

import asyncio
import os
import re
import shlex

import aiohttp
from ray import serve
from starlette.requests import Request
from starlette.responses import StreamingResponse

COMMAND = os.environ.get("SERVE_COMMAND", "alpha serve")
# Of one connection each, and no business of the other side.
HOP_HEADERS = {"connection", "content-length", "date", "host", "keep-alive", "transfer-encoding"}


def forwarded(headers):
    return [(name, value) for name, value in headers.items() if name.lower() not in HOP_HEADERS]


async def discard(stream):
    """A pipe that nobody reads would be full some day, and stop the server."""
    while await stream.read(65536):
        pass


@serve.deployment(
    max_ongoing_requests=256,
    graceful_shutdown_timeout_s=45,
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": int(os.environ.get("SERVE_REPLICAS_MAX", "4")),
        "target_ongoing_requests": float(os.environ.get("SERVE_REQUESTS", "16")),
        "upscale_delay_s": 2,
        "downscale_delay_s": 60,
        "metrics_interval_s": 1,
        "look_back_period_s": 2,
    },
)
class Alpha:
    async def __init__(self):
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False)
        environment = {**os.environ, "ALPHA_HOST": "127.0.0.1", "PORT": "0"}
        command = [*shlex.split(COMMAND), "--drain-delay=0"]
        self.process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE
        )
        self.url = None
        async for line in self.process.stdout:
            if told := re.match(rb"listening on (\S+)", line):
                self.url = told[1].decode()
                break
        if self.url is None:
            raise RuntimeError(f"{COMMAND} ended with {await self.process.wait()}")
        self.reading = asyncio.create_task(discard(self.process.stdout))

    async def check_health(self):
        if self.process.returncode is not None:
            raise RuntimeError(f"{COMMAND} ended with {self.process.returncode}")

    async def __call__(self, request: Request):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        answer = await self.session.request(
            request.method, self.url + target, headers=forwarded(request.headers), data=await request.body()
        )

        async def body():
            async with answer:
                async for piece in answer.content.iter_any():
                    yield piece

        response = StreamingResponse(body(), status_code=answer.status)
        response.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in forwarded(answer.headers)
        ]
        return response

    async def __del__(self):
        await self.session.close()
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


app = Alpha.bind()
