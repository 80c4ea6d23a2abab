"""Tells an Alpha server how a training goes. Standard library only: copy it beside your script."""
import json, os, urllib.request

def report(type, run, **fields):
    path = "/api/ingest/complete" if type == "complete" else "/api/ingest"
    body = json.dumps({"type": type, "runId": run, **fields}).encode()
    headers = {"Authorization": "Bearer " + os.environ["ALPHA_REMOTE_SECRET"]}
    request = urllib.request.Request(os.environ["ALPHA_REMOTE_URL"] + path, body, headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError as error:  # a training goes on when nobody listens
        print("not reported:", error, error.read().decode() if hasattr(error, "read") else "")
