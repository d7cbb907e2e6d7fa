"""A FastAPI hello world, served by uvicorn alone: python -m bench.hello"""

import socket

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/hello")
async def hello() -> dict[str, bool]:
    """Return a small response."""
    return {"ok": True}


def serve_alone(application: FastAPI) -> None:
    """Serve an application with uvicorn on a free port, and print its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(application, log_config=None, access_log=False, ws="none")).run([listener])


if __name__ == "__main__":
    serve_alone(app)
