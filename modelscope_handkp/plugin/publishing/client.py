"""ModelScope's hub client: creating a model and sending files."""

import glob
import inspect
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...errors import ConfigError, InputError, UploadError
from ...model_dir.hub import NO_SERVICE, PATIENT_SECONDS, hub_silence
from .quiet import quiet
from .traffic import Traffic

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "MODELSCOPE_API_TOKEN"  # of ModelScope's client
PRIVATE = 1  # the hub's number; what the client creates is public
LOGIN = f"run modelscope login, or set {TOKEN_VARIABLE} (https://modelscope.cn/my/myaccesstoken)"
AGAIN = "Run the same command again: what the hub has is not sent twice."
MAX_NAMED = 4  # files in a sentence


class Client:
    """The hub, with a token.

    Args:
        token: of the hub; None takes that of the environment, else what ``modelscope login`` has kept.
    Raises:
        InputError: there is no token. ConfigError: a ModelScope that cannot send a folder.
    """

    def __init__(self, token: str | None = None) -> None:
        from modelscope import HubApi

        if not hasattr(HubApi, "upload_folder"):
            raise ConfigError("this release of ModelScope cannot send a folder to the hub: pip install -U modelscope.")
        self._token = (
            token or os.environ.get(TOKEN_VARIABLE) or ""
        ).strip() or None  # None: that of the client's login
        self._secrets = [self._token] if self._token else _cookies_of_login()
        if not self._secrets:
            raise InputError(f"there is no token for the hub: {LOGIN}.")

    def send(
        self, folder: Path, model_id: str, names: Collection[str], private: bool, revision: str, message: str
    ) -> str:
        """Create the model where the hub has none of that id, and send files to it.

        Args:
            folder: the directory of the files. names: relative to it. private: only its owner sees a model that is
                created here. revision: the branch. message: of the commit.
        Returns:
            the address of the model's page.
        Raises:
            UploadError: in a sentence that says what the hub has now.
        """
        from modelscope import HubApi

        silence = hub_silence(model_id, PATIENT_SECONDS)
        if silence:
            raise UploadError(f"the hub does not answer ({silence}); nothing was sent.")
        existed, created, failure, page = False, False, "", ""
        with quiet(), Traffic(self._secrets) as traffic:
            try:
                api = HubApi()
                page = f"{api.endpoint}/models/{model_id}"
                existed = api.repo_exists(model_id, repo_type="model", token=self._token)
                if existed and private:
                    logger.warning("%s is on the hub: whether it is public stays as it is", model_id)
                if not existed:
                    traffic.creating = True
                    api.create_model(model_id, token=self._token, **({"visibility": PRIVATE} if private else {}))
                    created, traffic.creating = True, False
                patterns = [glob.escape(name) for name in names]
                options = {"revision": revision, "commit_message": message, **_without_cache(api.upload_folder)}
                api.upload_folder(
                    repo_id=model_id, folder_path=str(folder), allow_patterns=patterns, token=self._token, **options
                )
            except KeyboardInterrupt:
                logger.warning("publishing was interrupted: %s", _state(model_id, existed, created, names, traffic))
                raise
            except Exception as error:  # each release of the client has errors of its own
                failure = type(error).__name__
        # raised here, so that no error of the client, in whose frames the token is, hangs on to it
        if failure or traffic.silence or not traffic.committed.issuperset(names):
            reason = _reason(model_id, existed or created, failure, traffic)
            again = "" if traffic.is_refused else f" {AGAIN}"
            raise UploadError(f"{reason}. {_state(model_id, existed, created, names, traffic)}{again}")
        return page


def _cookies_of_login() -> list[str]:
    """The secrets that ``modelscope login`` has kept; none where nobody is logged in."""
    from modelscope import HubApi

    try:
        cookies = HubApi().get_cookies(None)
    except Exception:  # a release that has it otherwise, or a file of cookies that it cannot read
        return []
    return [cookie.value for cookie in cookies or [] if cookie.value]


def _without_cache(upload: Any) -> dict[str, bool]:
    """No notes of the client in the model's directory, by which it would not see a model that was deleted meanwhile."""
    parameters = inspect.signature(upload).parameters.values()
    takes = any(one.name == "use_cache" or one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    return {"use_cache": False} if takes else {}


def _reason(model_id: str, is_there: bool, failure: str, traffic: Traffic) -> str:
    """Why it failed, without a full stop."""
    if traffic.silence:
        return f"the hub has stopped answering ({traffic.silence})"
    if traffic.refusal is not None:
        return _refusal(model_id, is_there, *traffic.refusal)
    if traffic.trouble:
        return f"the connection to the hub broke ({traffic.trouble})"
    return f"ModelScope's client has failed ({failure or 'it left files out'})"


def _refusal(model_id: str, is_there: bool, status: int, said: str) -> str:
    """What an answer of the hub means, which says ``said``."""
    quoted = f" (HTTP {status}: {said})" if said else f" (HTTP {status})"
    if status == 401:
        return f"the hub does not accept the token{quoted}: {LOGIN}"
    if status >= NO_SERVICE[1]:
        return f"the hub fails{quoted}"
    if status != 403:
        what = "refuses it" if is_there else f"does not create {model_id}"
        hint = "" if is_there else ": the name may be taken by a model that is not public"
        return f"the hub {what}{quoted}{hint}"
    owner = model_id.partition("/")[0]
    what = f"write to {model_id}, which another owner has" if is_there else f"create a model of {owner}"
    return f"the token has no right to {what}{quoted}"


def _state(model_id: str, existed: bool, created: bool, names: Collection[str], traffic: Traffic) -> str:
    """What the hub has now."""
    missing = sorted(set(names) - traffic.committed)
    if not existed and not created:
        return "Nothing was sent."
    if len(missing) == len(names):
        return f"{model_id} was created and has no files yet." if created else f"{model_id} is as it was."
    if not missing:
        return f"{model_id} has all {len(names)} files."
    more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
    absent = ", ".join(missing[:MAX_NAMED]) + more
    return f"{model_id} has {len(names) - len(missing)} of the {len(names)} files of this version, without {absent}."
