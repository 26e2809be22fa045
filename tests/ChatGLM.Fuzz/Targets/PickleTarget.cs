using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;

namespace ChatGLM.Fuzz.Targets;

internal static class PickleTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        TorchFiles.StateDict(),
        TorchFiles.StateDict(legacy: true),
        new PickleWriter().Proto().Op('}').Mark().Text("epoch").Int(3).Text("lr").Op('G').Raw([0x3F, 0x50, 0x62, 0x4D, 0xD2, 0xF1, 0xA9, 0xFC])
            .Text("betas").Int(1).Int(2).Op(0x86).Text("dtype").Global("torch", "float16").Text("none").Op('N').Text("big").Int(1L << 40)
            .Text("size").Global("torch", "Size").Tuple(2, 3).Op(0x85).Op('R').Op('u').Stop().ToArray(),
        new PickleWriter().Proto(4).Op(0x95).Number8(18).Op(']').Op(0x94).Mark().Op(0x8C).Op(2).Raw("ab"u8).Op(0x94).Op('h').Op(1).Op(0x8F).Op('e').Stop().ToArray(),
        new PickleWriter().Proto().Global("collections", "OrderedDict").Op(']').Op(0x85).Op('R').Op('}').Text("_metadata").Int(1).Op('s').Op('b').Stop().ToArray(),
        new PickleWriter().Proto().Global("_codecs", "encode").Text("é").Text("latin1").Op(0x86).Op('R').Stop().ToArray(),
        new PickleWriter().Proto().Global("numpy.core.multiarray", "_reconstruct").Global("numpy", "ndarray").Tuple(0).Text("b").Op(0x87).Op('R').Mark().Int(1).Tuple(3)
            .Global("numpy", "dtype").Text("u1").Op(0x89).Op(0x88).Op(0x87).Op('R').Mark().Int(3).Text("<").Op('N').Op('N').Op('N').Int(-1).Int(-1).Int(0).Op('t').Op('b').Op(0x89)
            .Global("_codecs", "encode").Text("abc").Text("latin1").Op(0x86).Op('R').Op('t').Op('b').Stop().ToArray(),
        new PickleWriter().Mark().Op('I').Raw("01\n"u8).Op('L').Raw("123L\n"u8).Op('F').Raw("1.5\n"u8).Op('l').Op('p').Raw("7\n"u8).Op('0').Op('g').Raw("7\n"u8).Stop().ToArray(),
    ];

    private static readonly string[] Names =
        ["torch\nFloatStorage", "torch\nSize", "torch\nfloat16", "collections\nOrderedDict", "torch._utils\n_rebuild_tensor_v2", "torch._utils\n_rebuild_parameter",
         "__builtin__\nset", "_codecs\nencode", "posix\nsystem", "builtins\neval", "torch\ndevice", "builtins\nbytearray",
         "numpy\nndarray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct", "numpy.core.multiarray\nscalar"];

    public static void Read(byte[] bytes)
    {
        var root = PickleReader.Read(bytes, "fuzz", new TorchStorages(), out _);
        var left = 0;
        Touch.Walk(root, ref left, withBytes: false);
    }

    /// <summary>Well-formed values with a stray opcode in about every second pickle, or a soup of opcodes.</summary>
    public static byte[] Grammar(FuzzRandom random)
    {
        var pickle = new PickleWriter().Proto((byte)(2 + random.Below(3)));
        if (random.OneIn(4))
        {
            for (var steps = random.Below(100); steps > 0; steps--)
                Stray(pickle, random);
        }
        else
        {
            Value(pickle, random, depth: 1 + random.Below(6), straysOneIn: random.OneIn(2) ? 30 : int.MaxValue);
        }

        return pickle.Stop().ToArray();
    }

    private static void Value(PickleWriter pickle, FuzzRandom random, int depth, int straysOneIn)
    {
        if (random.OneIn(straysOneIn))
            Stray(pickle, random);
        switch (random.Below(depth > 0 ? 12 : 6))
        {
            case 0: pickle.Int((long)random.Edge()); break;
            case 1: pickle.Text(random.Of(["a", "storage", "cpu", "模型", ""])).Op(0x94); break;
            case 2: pickle.Op(random.Of(['N', ']', '}', ')'])); break;
            case 3: pickle.Tensor(random.Of(["0", "1"]), "FloatStorage", 6, random.Below(3), [random.Below(3), random.Below(3)], [random.Below(4), 1]); break;
            case 4: pickle.Global("torch", "float16"); break;
            case 5: pickle.Global("torch", "Size").Tuple((long)random.Edge(), 2).Op(0x85).Op('R'); break;
            case 6: Several(pickle.Op(']').Mark(), 1).Op('e'); break;
            case 7: Several(pickle.Op('}').Mark(), 2).Op('u'); break;
            case 8: Several(pickle.Mark(), 1).Op('t'); break;
            case 9: Several(pickle.Op(0x8F).Mark(), 1).Op(0x90); break;
            case 10: Several(pickle.Global("__builtin__", "set").Op(']').Mark(), 1).Op('e').Op(0x85).Op('R'); break;
            default: // a value twice in a tuple, which doubles what unfolds
                Value(pickle, random, depth - 1, straysOneIn);
                pickle.Op('2').Op(0x86);
                break;
        }

        PickleWriter Several(PickleWriter to, int each)
        {
            for (var count = each * random.Below(5); count > 0; count--)
                Value(to, random, depth - 1, straysOneIn);
            return to;
        }
    }

    private static void Stray(PickleWriter pickle, FuzzRandom random)
    {
        switch (random.Below(8))
        {
            case 0: pickle.Op('c').Raw(System.Text.Encoding.UTF8.GetBytes(random.Of(Names) + "\n")); break;
            case 1: pickle.Op(random.Of(['q', 'h', 'U', 'C', 'K'])).Op((byte)random.Below(8)); break;
            case 2: pickle.Op(random.Of(['T', 'X', 'B', 'r', 'j', 'J'])).Number4((uint)random.Edge()); break;
            case 3: pickle.Op((byte)random.Of([0x8D, 0x8E, 0x95, 0x96])).Number8(random.Edge()); break;
            case 4: pickle.Op(0x8A).Op((byte)random.Below(12)).Raw(new byte[random.Below(12)]); break;
            case 5: pickle.Op(random.Of(['I', 'L', 'F', 'S', 'g', 'p', 'i'])).Raw(System.Text.Encoding.UTF8.GetBytes(random.Of(["0", "01", "-5L", "1e400", "'x'", "nan", "99999999999999999999999"]) + "\n")); break;
            default: pickle.Op(random.Of(['(', 't', 'l', 'e', 'u', 'd', '1', '0', '2', 'a', 's', 'R', 'b', 'Q', 'o', '.', ')', ']', '}'])); break;
        }
    }
}
