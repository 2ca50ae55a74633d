"""The networks as nn.Modules, with the state-dict keys of EasyCV and mmdet."""
