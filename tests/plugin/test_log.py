"""What a user sees of ModelScope's log."""

import logging

import pytest

pytest.importorskip("modelscope.pipelines")


def test_building_a_pipeline_logs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    from modelscope.pipelines import pipeline
    from modelscope.utils.constant import Tasks

    from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR

    logger = logging.getLogger("modelscope")
    logger.addHandler(caplog.handler)
    try:
        pipeline(Tasks.hand_2d_keypoints, model=str(EMBEDDED_MODEL_DIR))
    finally:
        logger.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
