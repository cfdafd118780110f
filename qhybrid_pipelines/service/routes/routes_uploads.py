"""Files sent ahead of the requests that name them by their hash."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError
from qhybrid_pipelines.service.response_models import StoredUpload, UploadList
from qhybrid_pipelines.service.routes.routes_common import Submitter, needs, parts_of, problems

router = APIRouter(prefix="/v1")
Owner = Annotated[Caller, Depends(needs("submit", or_scope="read"))]
Sha256 = Annotated[str, Path(max_length=64, description="SHA-256 of the file, 64 hexadecimal digits.")]
_MEDIA_TYPE = "application/octet-stream"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}


@router.post(
    "/uploads",
    tags=["uploads"],
    operation_id="upload_file",
    status_code=201,
    responses={200: {"model": StoredUpload, "description": "It was there already."}, **problems(413, 415, 422)},
    response_model=StoredUpload,
    openapi_extra=_BODY,
)
async def upload_file(request: Request, response: Response, caller: Submitter) -> dict[str, Any]:
    """Keep a file, for requests of the same principal that name it by its hash."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise ProblemError(
            Problem(
                status=415,
                code="media-type",
                detail="The body is not declared as a file.",
                remedy=f"Send the header Content-Type: {_MEDIA_TYPE}.",
                field="Content-Type",
            )
        )
    content = await request.body()
    upload, new = await run_in_threadpool(parts_of(request).uploads.add, caller.principal, content)
    response.status_code = 201 if new else 200
    response.headers["location"] = upload.fields["href"]
    return upload.fields


@router.get("/uploads", tags=["uploads"], operation_id="list_uploads", responses=problems(), response_model=UploadList)
def list_uploads(request: Request, caller: Owner) -> dict[str, Any]:
    """List the caller's files, by hash."""
    return {"items": [upload.fields for upload in parts_of(request).uploads.of(caller.principal)]}


@router.get(
    "/uploads/{sha256}",
    tags=["uploads"],
    operation_id="get_upload",
    responses={
        200: {
            "description": "The file as it was sent.",
            "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404),
    },
    response_class=Response,
)
def get_upload(request: Request, caller: Owner, sha256: Sha256) -> Response:
    """Return a file of the caller's, byte for byte."""
    content = parts_of(request).uploads.read(caller.principal, sha256)
    # Whatever it is: a browser keeps it and shows nothing of it.
    headers = {"content-disposition": f'attachment; filename="{sha256}"', "content-security-policy": "sandbox"}
    return Response(content, media_type=_MEDIA_TYPE, headers=headers)


@router.delete(
    "/uploads/{sha256}",
    tags=["uploads"],
    operation_id="delete_upload",
    status_code=204,
    responses=problems(404),
)
def delete_upload(request: Request, caller: Submitter, sha256: Sha256) -> None:
    """Delete a file of the caller's; experiments that were accepted have a copy of their own."""
    parts_of(request).uploads.remove(caller.principal, sha256)
