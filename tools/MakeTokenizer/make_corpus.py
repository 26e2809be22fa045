"""Writes the training text of the project's small tokenizers: sentences put together from the words below, always the same ones.

The words and patterns were written for this project, so that the text and what is trained on it carry no one else's licence.
Usage: python3 make_corpus.py > corpus.txt
"""
import random

NOUNS_ZH = """人工智能 深度学习 机器 模型 数据 语言 计算机 程序 代码 网络 算法 显存 内存 文件 问题 答案 学生 老师 学校 大学 北京 上海 城市
天气 春天 夏天 秋天 冬天 早上 晚上 时间 历史 文化 音乐 电影 故事 书 文章 句子 词语 汉字 数学 物理 化学 生物 地球 太阳 月亮 星星 海洋 河流 山
森林 动物 植物 猫 狗 鸟 鱼 花 树 水 火 风 雨 雪 食物 米饭 面条 茶 咖啡 苹果 水果 蔬菜 早餐 午餐 晚餐 家庭 父亲 母亲 孩子 朋友 医生 工程师 科学家 作家
汽车 火车 飞机 自行车 道路 房子 桌子 椅子 电话 手机 电脑 屏幕 键盘 软件 系统 服务 公司 工作 会议 计划 结果 原因 方法 步骤 例子 经验 知识 世界 国家 社会
经济 市场 价格 钱 健康 身体 运动 足球 篮球 游戏 旅行 假期 照片 颜色 红色 蓝色 绿色 声音 数字 图片 消息 新闻 信息 质量 速度 温度 距离""".split()
VERBS_ZH = """学习 使用 训练 解释 介绍 理解 喜欢 需要 完成 开始 结束 帮助 回答 提出 分析 比较 描述 翻译 写 读 看 听 说 想 做 找 买 卖 打开 关闭 运行 测试
改变 提高 减少 增加 选择 设计 研究 发现 创造 保护 支持 记得 忘记 知道 相信 希望 讨论 总结 计算 检查 修改 保存 删除 发送 收到""".split()
ADJ_ZH = """新的 旧的 大的 小的 重要的 简单的 复杂的 有趣的 美丽的 安静的 快速的 缓慢的 正确的 错误的 不同的 相同的 常见的 特别的 困难的 容易的 干净的 温暖的 寒冷的 明亮的
著名的 聪明的 勇敢的 友好的 丰富的 必要的""".split()
ADV_ZH = "今天 明天 昨天 现在 经常 有时 总是 已经 也许 首先 然后 最后 因此 但是 而且 如果 因为 所以 虽然 同时 例如 其实 通常 一起".split()
NOUNS_EN = """model data language computer program code network algorithm memory file question answer student teacher school university city weather
spring summer autumn winter morning evening time history culture music movie story book article sentence word number mathematics physics chemistry biology
earth sun moon star ocean river mountain forest animal plant cat dog bird fish flower tree water fire wind rain snow food rice noodle tea coffee apple fruit
vegetable breakfast lunch dinner family father mother child friend doctor engineer scientist writer car train plane bicycle road house table chair phone
screen keyboard software system service company work meeting plan result reason method step example experience knowledge world country society economy market
price money health body sport football basketball game travel holiday picture color red blue green voice image message news information quality speed
temperature distance function variable string list array matrix vector layer weight token prompt response tokenizer generation attention""".split()
VERBS_EN = """learn use train explain introduce understand like need finish start end help answer ask analyze compare describe translate write read see hear say
think make find buy sell open close run test change improve reduce increase choose design study discover create protect support remember forget know believe hope
discuss summarize calculate check modify save delete send receive return print import""".split()
ADJ_EN = """new old big small important simple complex interesting beautiful quiet fast slow correct wrong different same common special difficult easy clean warm
cold bright famous clever brave friendly rich necessary""".split()
ADV_EN = "today tomorrow yesterday now often sometimes always already perhaps first then finally therefore however because although usually together".split()


def sentence(pick):
    n, v, a, d = (lambda: pick(NOUNS_ZH)), (lambda: pick(VERBS_ZH)), (lambda: pick(ADJ_ZH)), (lambda: pick(ADV_ZH))
    en, ev, ea, ed = (lambda: pick(NOUNS_EN)), (lambda: pick(VERBS_EN)), (lambda: pick(ADJ_EN)), (lambda: pick(ADV_EN))
    number = lambda: str(pick(range(0, 2030)))
    return pick([
        lambda: f"{d()}我们{v()}{a()}{n()}，{d()}{v()}{n()}。",
        lambda: f"你好，请{v()}一下{n()}和{n()}的{n()}。",
        lambda: f"什么是{n()}？{n()}是一种{a()}{n()}。",
        lambda: f"如何{v()}{a()}{n()}？第一，{v()}{n()}；第二，{v()}{n()}；第三，{v()}{n()}。",
        lambda: f"他们在{n()}里{v()}{n()}，她{d()}{v()}{n()}！",
        lambda: f"{number()}年{number()[:1]}月，{n()}的{n()}是{number()}。",
        lambda: f"这个{n()}很{a()[:-1]}，那个{n()}也不{a()[:-1]}。",
        lambda: f"我{d()}不{v()}{n()}，你能帮助我吗？可以，{v()}“{n()}”就好了。",
        lambda: f"{ed().capitalize()} we {ev()} the {ea()} {en()}, and {ed()} they {ev()} a {en()}.",
        lambda: f"What is the {en()} of {en()}? It is a {ea()} {en()}.",
        lambda: f"How do I {ev()} this {en()}? {ev().capitalize()} the {en()}, then {ev()} your {en()}!",
        lambda: f"I don't {ev()} {ea()} {en()}s; you can {ev()} {number()} {en()}s ({number()}.{number()[:2]}%).",
        lambda: f"Hello! {ev().capitalize()}ing {en()}s with {en()}s: it's {ea()}, isn't it?",
        lambda: f"    def {ev()}_{en()}(self, {en()}={number()}):  # {ev()} {en()}",
        lambda: f"        return [{en()} for {en()} in {en()}s if {en()} != \"{en()}\"]",
        lambda: f"{n()}({en()})：{a()}{n()}，见{en()} {number()}。",
        lambda: f"[Round {pick(range(1, 20))}] 问：{v()}{n()} 答：{a()}{n()}",
    ])()


def main():
    rng = random.Random(20240229)
    for _ in range(24000):
        print(sentence(rng.choice))


main()
