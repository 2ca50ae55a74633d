// What the page says, in English and Chinese.

const ENGLISH = {
  title: "Hand keypoints in your browser",
  tabs: "What to do",
  hands: "Keypoints",
  game: "Game",
  lead: "Show a hand: 21 keypoints and its gesture, computed on this device",
  dropHere: "Or drop an image or a video here",
  useCamera: "Use the camera",
  stopCamera: "Stop the camera",
  pause: "Pause the video",
  play: "Play the video",
  choose: "Image or video…",
  example: "An example",
  found: "Hands in view",
  private: "Nothing is uploaded: images stay in this tab, and the browser blocks all other addresses.",
  loading: "Loading the model",
  preparing: "Preparing the model",
  ready: "Ready.",
  starting: "Starting the camera…",
  looking: "Looking…",
  hand: (id) => `Hand ${id}`,
  said: (id, gesture) => `Hand ${id}: ${gesture}.`,
  between: " ",
  speed: (rate, milliseconds) => `${rate} frames/s · ${milliseconds} ms`,
  took: (milliseconds) => `${milliseconds} ms`,
  computer: ({ backend, threads }) =>
    backend === "webgpu" ? "Computed on the GPU (WebGPU)" : `Computed in WebAssembly, ${threads === 1 ? "1 thread" : `${threads} threads`}`,
  count: (n) => (n === 1 ? "1 hand" : `${n} hands`),
  noHand: "No hand found. Hold one up, about an arm's length away, in good light.",
  noHandInFile: "No hand found in this image.",
  crossing: "The hands cross: their keypoints may be mixed up until they part.",
  slow: (rate) => `This device manages ${rate} frames a second: move slowly. A browser with WebGPU, or closing other tabs, helps.`,
  slowFile: (rate) => `This device manages ${rate} frames a second; the others are skipped. A browser with WebGPU, or closing other tabs, helps.`,
  hidden: "Paused while this tab is in the background.",
  gameHint: "Pinch, make a fist, or open your palm; a mouse or a finger on the screen works as well.",
  gameCamera: "Use the camera to play with your hands, or play with mouse, touch or keyboard.",
  errors: {
    insecure: "Browsers give the camera only to https pages and to localhost. Open this page there, or choose an image or a video.",
    noApi: "This browser gives no page a camera. Choose an image or a video, or try another browser.",
    NotAllowedError: "The camera is not allowed. Allow it beside the address of this page and press “Use the camera” again, or choose an image or a video.",
    NotFoundError: "No camera is found. Connect one and press “Use the camera” again, or choose an image or a video.",
    NotReadableError: "The camera is in use by another program, or does not start. Close that program and try again.",
    ended: "The camera was switched off or unplugged. Press “Use the camera” to start it again.",
    camera: (reason) => `The camera does not start (${reason}). Choose an image or a video.`,
    file: (name) => `${name} is no image or video that this browser can read. JPEG, PNG, WebP, mp4 with H.264 and WebM always can be.`,
    load: (reason) => `The model cannot be loaded (${reason}). Check the connection and reload the page.`,
    find: (reason) => `The model has failed (${reason}). Reload the page.`,
    example: (reason) => `The example cannot be loaded (${reason}). Check the connection.`,
    game: (reason) => `The game cannot be loaded (${reason}). Check the connection and reload the page.`,
  },
  gestures: {
    fist: "Fist", open_palm: "Open palm", pointing: "Pointing", victory: "Victory", three: "Three", four: "Four",
    ok: "OK", thumbs_up: "Thumbs up", thumbs_down: "Thumbs down", pinch: "Pinch", call: "Call", rock: "Rock",
    none: "No gesture",
  },
};

const CHINESE = {
  title: "手部关键点 · 浏览器版",
  tabs: "功能",
  hands: "关键点",
  game: "游戏",
  lead: "伸出手：21 个关键点与手势，全部在本机计算",
  dropHere: "也可以把图片或视频拖到这里",
  useCamera: "使用摄像头",
  stopCamera: "关闭摄像头",
  pause: "暂停视频",
  play: "播放视频",
  choose: "图片或视频…",
  example: "看个例子",
  found: "画面中的手",
  private: "不上传任何内容：图像只留在本标签页，浏览器会拦截对其他地址的访问。",
  loading: "正在载入模型",
  preparing: "正在准备模型",
  ready: "已就绪。",
  starting: "正在打开摄像头…",
  looking: "正在识别…",
  hand: (id) => `手 ${id}`,
  said: (id, gesture) => `手 ${id}：${gesture}。`,
  between: "",
  speed: (rate, milliseconds) => `${rate} 帧/秒 · ${milliseconds} 毫秒`,
  took: (milliseconds) => `${milliseconds} 毫秒`,
  computer: ({ backend, threads }) => (backend === "webgpu" ? "由 GPU 计算（WebGPU）" : `由 WebAssembly 计算，${threads} 线程`),
  count: (n) => `${n} 只手`,
  noHand: "没有找到手。请在光线充足处伸出手，距离约一臂。",
  noHandInFile: "这张图片中没有找到手。",
  crossing: "两手交叉：分开之前，关键点可能混淆。",
  slow: (rate) => `本机每秒只能处理 ${rate} 帧，请放慢动作。使用支持 WebGPU 的浏览器或关闭其他标签页会更快。`,
  slowFile: (rate) => `本机每秒只能处理 ${rate} 帧，其余的帧会跳过。使用支持 WebGPU 的浏览器或关闭其他标签页会更快。`,
  hidden: "标签页在后台，已暂停。",
  gameHint: "捏合、握拳或张开手掌即可；鼠标和触屏也能玩。",
  gameCamera: "打开摄像头即可用手玩，也可以用鼠标、触屏或键盘。",
  errors: {
    insecure: "浏览器只允许 https 页面和 localhost 使用摄像头。请换成这样的地址，或选择图片、视频。",
    noApi: "此浏览器不提供摄像头。请选择图片或视频，或换一个浏览器。",
    NotAllowedError: "摄像头未获允许。请在地址栏旁允许使用摄像头，再点“使用摄像头”；也可以选择图片或视频。",
    NotFoundError: "没有找到摄像头。请接上摄像头，再点“使用摄像头”；也可以选择图片或视频。",
    NotReadableError: "摄像头正被其他程序占用，或无法启动。请关闭该程序后重试。",
    ended: "摄像头已关闭或被拔出。点“使用摄像头”可重新打开。",
    camera: (reason) => `摄像头无法启动（${reason}）。请选择图片或视频。`,
    file: (name) => `此浏览器无法读取 ${name}。请换成 JPEG、PNG、WebP，或 H.264 的 mp4、webm。`,
    load: (reason) => `模型无法载入（${reason}）。请检查网络后刷新页面。`,
    find: (reason) => `模型运行出错（${reason}）。请刷新页面。`,
    example: (reason) => `示例无法载入（${reason}）。请检查网络。`,
    game: (reason) => `游戏无法载入（${reason}）。请检查网络后刷新页面。`,
  },
  gestures: {
    fist: "握拳", open_palm: "张开手掌", pointing: "食指指向", victory: "剪刀手", three: "三", four: "四", ok: "OK",
    thumbs_up: "竖起拇指", thumbs_down: "拇指向下", pinch: "捏合", call: "打电话", rock: "摇滚", none: "无手势",
  },
};

/** "zh" or "en", by the browser's language. */
export const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";

export const texts = language === "zh" ? CHINESE : ENGLISH;

/** Writes the texts of `data-text` and the labels of `data-label` into the page. */
export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = texts.title;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts[element.dataset.text];
  for (const element of document.querySelectorAll("[data-label]")) element.ariaLabel = texts[element.dataset.label];
}
