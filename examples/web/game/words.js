// What the game says, in Chinese and English. Each line is short: it is read while a hand is in the air. Where it says
// how something is done, it has words for a hand in the camera's view, for mouse and keyboard, and for a touch screen:
// of each the lines for when it is told first, and at the end the line for when another one is.

const ENGLISH = {
  title: "Starlit Village",
  subtitle: "Every star you catch lights a window",
  begin: {
    hand: ["Pinch to begin", "or pinch, with the camera on"],
    mouse: ["Click or press Space to begin", "or click, or press Space"],
    touch: ["Tap to begin", "or tap"],
  },
  lesson: {
    pinch: {
      hand: ["Pinch the star to catch it", "Thumb and forefinger together on it", "By hand: pinch it"],
      mouse: ["Click the star to catch it", "Or move by arrow keys and press Space", "Mouse: click it · Keys: arrows, Space"],
      touch: ["Tap the star to catch it", "Each star lights a window", "Or tap it"],
    },
    fist: {
      hand: ["Make a fist to crush the meteor", "Hold your hand over it and close it", "By hand: make a fist on it"],
      mouse: ["Double click the meteor to crush it", "Or move over it and press F", "Mouse: double click · Keys: F"],
      touch: ["Tap the meteor twice to crush it", "Quickly, at the same place", "Or tap it twice, quickly"],
    },
    open_palm: {
      hand: ["Hold an open palm still to pause", "Try it, or wait: the stars are coming", "By hand: hold an open palm still"],
      mouse: ["Press P or the pause button to pause", "Try it, or wait: the stars are coming", "Mouse: the pause button · Keys: P"],
      touch: ["Tap the pause button to pause", "Try it, or wait: the stars are coming", "Or tap the pause button"],
    },
  },
  acts: {
    hand: { pinch: "Pinch", fist: "Fist", open_palm: "Open palm" },
    mouse: { pinch: "Click", fist: "Double click", open_palm: "P" },
    touch: { pinch: "Tap", fist: "Tap twice", open_palm: "Pause button" },
  },
  does: { pinch: "catch stars", fist: "crush meteors", open_palm: "pause" },
  paused: "Paused",
  lost: "No hand in view",
  resume: {
    hand: ["Pinch to resume", "or pinch, with the camera on"],
    mouse: ["Click or press P to resume", "or click, or press P"],
    touch: ["Tap to resume", "or tap"],
  },
  score: "Score",
  best: "Best",
  record: "New best!",
  seconds: (n) => `${n} s`,
  combo: (n) => `×${n}`,
  hurry: "Faster!",
  constellation: (points) => `Constellation +${points}`,
  notes: {
    combo: "Five in a row: points count double",
    comet: "The blue comet is worth five stars",
    constellation: "Catch all stars of the constellation for 100 more",
    landed: "A meteor that lands puts out three windows and ends your run",
  },
  festival: "The whole village shines!",
  lesson_done: "Good!",
  grades: ["The night is young", "The village glows", "Lights everywhere", "The whole village shines!"],
  lit: (n, all) => `${n} of ${all} windows lit`,
  stars: "Stars",
  meteors: "Meteors",
  longest: "Longest run",
  again: {
    hand: ["Pinch to play again", "or pinch, with the camera on"],
    mouse: ["Click or press Space to play again", "or click, or press Space"],
    touch: ["Tap to play again", "or tap"],
  },
  sound: { true: "Sound on", false: "Sound off" },
  label: (state, score) =>
    ({
      ready:
        "Game: Starlit Village. Press Space to begin. Arrow keys move, Space catches stars, F crushes meteors, P pauses, M switches the sound.",
      playing: "Game: playing. Arrow keys move, Space catches stars, F crushes meteors, P pauses.",
      paused: `Game: paused. Score ${score}. Press P to resume.`,
      over: `Game: over. Score ${score}. Press Space to play again.`,
    })[state],
};

const CHINESE = {
  title: "摘星小镇",
  subtitle: "每摘下一颗星，小镇就亮起一扇窗",
  begin: {
    hand: ["捏合手指即可开始", "打开摄像头后，也可以捏合手指"],
    mouse: ["点击或按空格键即可开始", "也可以点击，或按空格键"],
    touch: ["轻触即可开始", "也可以轻触"],
  },
  lesson: {
    pinch: {
      hand: ["捏合手指，摘下星星", "让拇指与食指在星星上合拢", "用手：在星星上捏合手指"],
      mouse: ["单击星星，把它摘下来", "也可以用方向键移动，再按空格键", "鼠标：单击它 · 键盘：方向键与空格"],
      touch: ["轻触星星，把它摘下来", "每颗星点亮一扇窗", "也可以轻触它"],
    },
    fist: {
      hand: ["握拳，捏碎陨石", "把手移到陨石上，再握紧", "用手：在陨石上握拳"],
      mouse: ["双击陨石，把它击碎", "也可以移到它上面，再按 F 键", "鼠标：双击它 · 键盘：F"],
      touch: ["连点两下陨石，把它击碎", "要快，两下点在同一处", "也可以快速连点两下"],
    },
    open_palm: {
      hand: ["张开手掌停住不动，就能暂停", "试一试；不试也行，星星马上就来", "用手：张开手掌停住不动"],
      mouse: ["按 P 键或暂停按钮，就能暂停", "试一试；不试也行，星星马上就来", "鼠标：暂停按钮 · 键盘：P"],
      touch: ["轻触暂停按钮，就能暂停", "试一试；不试也行，星星马上就来", "也可以轻触暂停按钮"],
    },
  },
  acts: {
    hand: { pinch: "捏合", fist: "握拳", open_palm: "张开手掌" },
    mouse: { pinch: "单击", fist: "双击", open_palm: "P 键" },
    touch: { pinch: "轻触", fist: "连点两下", open_palm: "暂停按钮" },
  },
  does: { pinch: "摘星星", fist: "碎陨石", open_palm: "暂停" },
  paused: "已暂停",
  lost: "看不到手了",
  resume: {
    hand: ["捏合手指即可继续", "打开摄像头后，也可以捏合手指"],
    mouse: ["点击或按 P 键即可继续", "也可以点击，或按 P 键"],
    touch: ["轻触即可继续", "也可以轻触"],
  },
  score: "得分",
  best: "最高分",
  record: "新纪录！",
  seconds: (n) => `${n} 秒`,
  combo: (n) => `×${n}`,
  hurry: "加速！",
  constellation: (points) => `连成星座 +${points}`,
  notes: {
    combo: "五连击，得分翻倍",
    comet: "蓝色彗星，一颗抵五颗星",
    constellation: "摘下整个星座，再加 100 分",
    landed: "陨石落地，熄灭三扇窗，连击清零",
  },
  festival: "万家灯火！",
  lesson_done: "很好！",
  grades: ["夜才刚刚开始", "灯火初上", "灯火通明", "万家灯火！"],
  lit: (n, all) => `点亮 ${n} / ${all} 扇窗`,
  stars: "星星",
  meteors: "陨石",
  longest: "最长连击",
  again: {
    hand: ["捏合手指即可再来一局", "打开摄像头后，也可以捏合手指"],
    mouse: ["点击或按空格键即可再来一局", "也可以点击，或按空格键"],
    touch: ["轻触即可再来一局", "也可以轻触"],
  },
  sound: { true: "声音开", false: "声音关" },
  label: (state, score) =>
    ({
      ready: "游戏：摘星小镇。按空格键开始。方向键移动，空格键摘星星，F 键碎陨石，P 键暂停，M 键开关声音。",
      playing: "游戏进行中。方向键移动，空格键摘星星，F 键碎陨石，P 键暂停。",
      paused: `游戏已暂停，得分 ${score}。按 P 键继续。`,
      over: `游戏结束，得分 ${score}。按空格键再来一局。`,
    })[state],
};

/** @param {string} language "zh", "zh-CN" ... or any other, which is English */
export function words(language) {
  return String(language).toLowerCase().startsWith("zh") ? CHINESE : ENGLISH;
}
