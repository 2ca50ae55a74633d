// What the game says, in Chinese and English. Each line is short: it is read while a hand is in the air.

const ENGLISH = {
  title: "Starlit Village",
  subtitle: "Every star you catch lights a window",
  begin: "Pinch to begin",
  beginMouse: "or click, tap, or press Space",
  lesson: {
    pinch: [
      "Pinch the star to catch it",
      "Thumb and forefinger together on it",
      { mouse: "Mouse: click it · Keys: arrows, Space", touch: "Or tap it" },
    ],
    fist: [
      "Make a fist to crush the meteor",
      "Hold your hand over it and close it",
      { mouse: "Mouse: double click · Keys: F", touch: "Or tap it twice, quickly" },
    ],
    open_palm: [
      "Hold an open palm still to pause",
      "Try it, or wait: the stars are coming",
      { mouse: "Mouse: the pause button · Keys: P", touch: "Or tap the pause button" },
    ],
  },
  pinch: "Pinch",
  fist: "Fist",
  open_palm: "Open palm",
  does: { pinch: "catch stars", fist: "crush meteors", open_palm: "pause" },
  paused: "Paused",
  lost: "No hand in view",
  resume: "Pinch to resume",
  resumeMouse: "or click, tap, or press P",
  score: "Score",
  best: "Best",
  record: "New best!",
  seconds: (n) => `${n} s`,
  combo: (n) => `×${n}`,
  hurry: "Faster!",
  constellation: (points) => `Constellation +${points}`,
  festival: "The whole village shines!",
  lesson_done: "Good!",
  grades: ["The night is young", "The village glows", "Lights everywhere", "The whole village shines!"],
  lit: (n, all) => `${n} of ${all} windows lit`,
  stars: "Stars",
  meteors: "Meteors",
  longest: "Longest run",
  again: "Pinch to play again",
  againMouse: "or click, tap, or press Space",
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
  begin: "捏合手指即可开始",
  beginMouse: "也可以点击、轻触，或按空格键",
  lesson: {
    pinch: [
      "捏合手指，摘下星星",
      "让拇指与食指在星星上合拢",
      { mouse: "鼠标：单击它 · 键盘：方向键与空格", touch: "也可以轻点它" },
    ],
    fist: [
      "握拳，捏碎陨石",
      "把手移到陨石上，再握紧",
      { mouse: "鼠标：双击它 · 键盘：F", touch: "也可以快速连点两下" },
    ],
    open_palm: [
      "张开手掌停住不动，就能暂停",
      "试一试；不试也行，星星马上就来",
      { mouse: "鼠标：暂停按钮 · 键盘：P", touch: "也可以点暂停按钮" },
    ],
  },
  pinch: "捏合",
  fist: "握拳",
  open_palm: "张开手掌",
  does: { pinch: "摘星星", fist: "碎陨石", open_palm: "暂停" },
  paused: "已暂停",
  lost: "看不到手了",
  resume: "捏合手指即可继续",
  resumeMouse: "也可以点击、轻触，或按 P 键",
  score: "得分",
  best: "最高分",
  record: "新纪录！",
  seconds: (n) => `${n} 秒`,
  combo: (n) => `×${n}`,
  hurry: "加速！",
  constellation: (points) => `连成星座 +${points}`,
  festival: "万家灯火！",
  lesson_done: "很好！",
  grades: ["夜才刚刚开始", "灯火初上", "灯火通明", "万家灯火！"],
  lit: (n, all) => `点亮 ${n} / ${all} 扇窗`,
  stars: "星星",
  meteors: "陨石",
  longest: "最长连击",
  again: "捏合手指即可再来一局",
  againMouse: "也可以点击、轻触，或按空格键",
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
