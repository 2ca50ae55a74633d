"""Every name by which ModelScope, a hosted configuration or the model card refers to this package."""

DISTRIBUTION = "modelscope-handkp"  # in a configuration's "plugins"
PACKAGE = "modelscope_handkp"
EASYCV_DISTRIBUTION = "pai-easycv"  # the package that had these names before; hosted configurations still list it

TASK = "hand-2d-keypoints"
FIELD = "cv"  # ModelScope's group of preprocessors
DEFAULT_GROUP = "default"

PIPELINE = "hrnetv2w18_hand-2d-keypoints_image"
MODEL = "HRNet-Hand2D-Keypoints"
TOP_DOWN_AFFINE = "TopDownAffine"
MM_TO_TENSOR = "MMToTensor"
NORMALIZE_TENSOR = "NormalizeTensor"
POSE_COLLECT = "PoseCollect"
TRAINER = "easycv"
METRIC = "EasyCVMetric"
DATASET = "HandCocoWholeBodyDataset"
KEYPOINT_DATASET = "HandCocoKeypointsDataset"
ADD_LR_LOG_HOOK = "AddLrLogHook"

# (registry, group, name) -> the module whose import registers it
REGISTERED = {
    ("PIPELINES", TASK, PIPELINE): f"{PACKAGE}.plugin.pipeline",
    ("MODELS", TASK, MODEL): f"{PACKAGE}.plugin.model",
    ("EXPORTERS", TASK, MODEL): f"{PACKAGE}.plugin.exporter",
    ("PREPROCESSORS", FIELD, TOP_DOWN_AFFINE): f"{PACKAGE}.plugin.preprocessors",
    ("PREPROCESSORS", FIELD, MM_TO_TENSOR): f"{PACKAGE}.plugin.preprocessors",
    ("PREPROCESSORS", FIELD, NORMALIZE_TENSOR): f"{PACKAGE}.plugin.preprocessors",
    ("PREPROCESSORS", FIELD, POSE_COLLECT): f"{PACKAGE}.plugin.preprocessors",
    ("TRAINERS", DEFAULT_GROUP, TRAINER): f"{PACKAGE}.plugin.training.trainer",
    ("METRICS", DEFAULT_GROUP, METRIC): f"{PACKAGE}.plugin.training.metric",
    ("CUSTOM_DATASETS", TASK, DATASET): f"{PACKAGE}.plugin.training.dataset",
    ("CUSTOM_DATASETS", TASK, KEYPOINT_DATASET): f"{PACKAGE}.plugin.training.dataset",
    ("HOOKS", DEFAULT_GROUP, ADD_LR_LOG_HOOK): f"{PACKAGE}.plugin.training.loop_hooks",
}
