using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace ChatGLM.Formats;

/// <summary>
/// The pickle machine, cut down to what builds tensors and plain containers. A name outside the closed list of
/// <see cref="PickleGlobal"/> is refused when it is mentioned, before anything could be done with it.
/// </summary>
/// <remarks>
/// Values are: null, <see cref="bool"/>, <see cref="long"/>, <see cref="BigInteger"/>, <see cref="double"/>, <see cref="string"/>, byte arrays,
/// <see cref="PickleSequence"/>, <see cref="PickleDict"/>, <see cref="TorchTensor"/>, <see cref="Tensors.DType"/>, <see cref="TorchDevice"/>, <see cref="NumpyArray"/>; and
/// while building, <see cref="PickleGlobal"/> and <see cref="TorchStorage"/>.
/// </remarks>
internal ref partial struct PickleReader
{
    /// <summary>The pickle of the largest snapshot has less than a megabyte; its weights are not in it. A pickle may take some 16 times
    /// its size in memory.</summary>
    public const int MaxBytes = 32 << 20;

    /// <summary>Values on the stack, in the memo and made altogether.</summary>
    private const int MaxObjects = 1 << 22;

    /// <summary>Numbers and names as lines of text; converting a decimal number takes quadratic time.</summary>
    private const int MaxLine = 512;

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly string _path;
    private readonly TorchStorages _storages;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _at;
    private int _made;

    private PickleReader(ReadOnlySpan<byte> bytes, string path, TorchStorages storages)
    {
        _bytes = bytes;
        _path = path;
        _storages = storages;
    }

    /// <summary>Reads one pickle from the start of <paramref name="bytes"/>.</summary>
    /// <param name="bytes">The pickle, and whatever follows it.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="storages">Takes the storages that the pickle mentions.</param>
    /// <param name="length">How many bytes the pickle has.</param>
    public static object? Read(ReadOnlySpan<byte> bytes, string path, TorchStorages storages, out int length)
    {
        var reader = new PickleReader(bytes.Length > MaxBytes ? bytes[..MaxBytes] : bytes, path, storages);
        var value = reader.Run();
        length = reader._at;
        return value;
    }

    private object? Run()
    {
        while (true)
        {
            var op = (PickleOp)Byte();
            if (op == PickleOp.Stop)
                return Pop();
            Step(op);
            if (_stack.Count > MaxObjects || _memo.Count > MaxObjects || _made > MaxObjects || _marks.Count > MaxObjects)
                throw Damaged($"it makes more than {MaxObjects} values");
        }
    }

    private void Step(PickleOp op)
    {
        switch (op)
        {
            case PickleOp.Proto:
                if (Byte() is > 5 and var version)
                    throw Damaged($"it has the protocol {version}; 0 to 5 are known");
                break;
            case PickleOp.Frame: Length8("a frame"); break;

            case PickleOp.None: Push(null); break;
            case PickleOp.NewTrue: Push(true); break;
            case PickleOp.NewFalse: Push(false); break;
            case PickleOp.BinInt: Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case PickleOp.BinInt1: Push((long)Byte()); break;
            case PickleOp.BinInt2: Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case PickleOp.Long1: Push(Integer(Take(Byte()))); break;
            case PickleOp.Long4: Push(Integer(Take(Length4("a number", MaxLine)))); break;
            case PickleOp.Int: Push(IntegerLine(isLong: false)); break;
            case PickleOp.Long: Push(IntegerLine(isLong: true)); break;
            case PickleOp.BinFloat: Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case PickleOp.Float: Push(FloatLine()); break;

            case PickleOp.ShortBinUnicode: Push(Text(Take(Byte()))); break;
            case PickleOp.BinUnicode: Push(Text(Take(Length4("a string")))); break;
            case PickleOp.BinUnicode8: Push(Text(Take(Length8("a string")))); break;
            case PickleOp.String: Push(QuotedLine()); break;
            case PickleOp.ShortBinString: Push(OldText(Take(Byte()))); break;
            case PickleOp.BinString: Push(OldText(Take(Length4("a string")))); break;
            case PickleOp.ShortBinBytes: Push(Made(Take(Byte()).ToArray())); break;
            case PickleOp.BinBytes: Push(Made(Take(Length4("bytes")).ToArray())); break;
            case PickleOp.BinBytes8 or PickleOp.ByteArray8: Push(Made(Take(Length8("bytes")).ToArray())); break;

            case PickleOp.EmptyList: Push(Made(new PickleSequence(PickleSequenceKind.List))); break;
            case PickleOp.EmptyTuple: Push(Made(new PickleSequence(PickleSequenceKind.Tuple))); break;
            case PickleOp.EmptySet: Push(Made(new PickleSequence(PickleSequenceKind.Set))); break;
            case PickleOp.EmptyDict: Push(Made(new PickleDict())); break;
            case PickleOp.List: Push(Gather(PickleSequenceKind.List, PopMark())); break;
            case PickleOp.Tuple: Push(Gather(PickleSequenceKind.Tuple, PopMark())); break;
            case PickleOp.FrozenSet: Push(Gather(PickleSequenceKind.FrozenSet, PopMark())); break;
            case PickleOp.Tuple1: Push(Gather(PickleSequenceKind.Tuple, Top(1))); break;
            case PickleOp.Tuple2: Push(Gather(PickleSequenceKind.Tuple, Top(2))); break;
            case PickleOp.Tuple3: Push(Gather(PickleSequenceKind.Tuple, Top(3))); break;
            case PickleOp.Dict: GatherDict(); break;
            case PickleOp.Append: Extend(Top(1)); break;
            case PickleOp.Appends or PickleOp.AddItems: Extend(PopMark()); break;
            case PickleOp.SetItem: SetItems(Top(2)); break;
            case PickleOp.SetItems: SetItems(PopMark()); break;

            case PickleOp.Mark: _marks.Add(_stack.Count); break;
            case PickleOp.Pop: PopAny(); break;
            case PickleOp.PopMark: Cut(PopMark()); break;
            case PickleOp.Dup: Push(_stack[Top(1)]); break;
            case PickleOp.BinPut: Put(Byte()); break;
            case PickleOp.LongBinPut: Put(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))); break;
            case PickleOp.Put: Put(MemoLine()); break;
            case PickleOp.Memoize: Put((uint)_memo.Count); break;
            case PickleOp.BinGet: Get(Byte()); break;
            case PickleOp.LongBinGet: Get(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))); break;
            case PickleOp.Get: Get(MemoLine()); break;

            case PickleOp.Global: Global(); break;
            case PickleOp.StackGlobal: StackGlobal(); break;
            case PickleOp.Reduce: Reduce(); break;
            case PickleOp.Build: Build(); break;
            case PickleOp.BinPersId: Push(Storage(Pop())); break;

            // Each of these makes an object of a class that the file names.
            case PickleOp.Inst: throw new UnsafePickleException(_path, NameLine() + "." + NameLine(), _at);
            case PickleOp.Obj or PickleOp.NewObj or PickleOp.NewObjEx: throw new UnsafePickleException(_path, "opcode " + op, _at - 1);
            case PickleOp.Ext1 or PickleOp.Ext2 or PickleOp.Ext4: throw new UnsafePickleException(_path, "extension registry (opcode " + op + ")", _at - 1);
            default: throw Damaged($"unknown opcode 0x{(byte)op:X2}");
        }
    }

    private int Fence => _marks.Count == 0 ? 0 : _marks[^1];

    private void Push(object? value) => _stack.Add(value);

    private T Made<T>(T value)
    {
        _made++;
        return value;
    }

    private object? Pop()
    {
        var value = _stack[Top(1)];
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    /// <summary>POP takes a mark when that is what lies on top.</summary>
    private void PopAny()
    {
        if (_marks.Count > 0 && _marks[^1] == _stack.Count)
            _marks.RemoveAt(_marks.Count - 1);
        else
            Pop();
    }

    /// <summary>The place of the uppermost <paramref name="count"/> values, which must lie above the last mark.</summary>
    private int Top(int count) =>
        _stack.Count - Fence >= count ? _stack.Count - count : throw Damaged("it takes more from the stack than it put there");

    /// <summary>Takes the last mark away; returns the place of the first value above it.</summary>
    private int PopMark()
    {
        if (_marks.Count == 0)
            throw Damaged("it closes a mark that was never set");
        var from = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        return from;
    }

    private void Cut(int from) => _stack.RemoveRange(from, _stack.Count - from);

    private void Put(uint index) => _memo[index] = _stack[Top(1)];

    private void Get(uint index) =>
        Push(_memo.TryGetValue(index, out var value) ? value : throw Damaged($"it asks for the memo {index}, which was never set"));

    private byte Byte() => _at < _bytes.Length ? _bytes[_at++] : throw CutOff();

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - _at)
            throw CutOff();
        _at += count;
        return _bytes.Slice(_at - count, count);
    }

    private int Length4(string what, int most = int.MaxValue)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
        return length <= (uint)Math.Min(most, _bytes.Length - _at) ? (int)length : throw Damaged($"{what} of {length} bytes does not fit "
            + $"the {_bytes.Length - _at} left");
    }

    private int Length8(string what)
    {
        var length = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
        return length <= (ulong)(_bytes.Length - _at) ? (int)length : throw Damaged($"{what} of {length} bytes does not fit the {_bytes.Length - _at} left");
    }

    private ReadOnlySpan<byte> Line(int most)
    {
        var rest = _bytes[_at..];
        var end = rest[..Math.Min(rest.Length, most + 1)].IndexOf((byte)'\n');
        if (end < 0)
            throw rest.Length > most ? Damaged($"a line is longer than {most} bytes") : CutOff();
        _at += end + 1;
        return rest[..end];
    }

    private string NameLine() => Text(Line(MaxLine));

    private uint MemoLine() => uint.TryParse(Line(MaxLine), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
        ? index
        : throw Damaged("a memo's number is not a number");

    private object IntegerLine(bool isLong)
    {
        var line = Line(MaxLine);
        if (!isLong && line.SequenceEqual("01"u8))
            return true; // how protocol 0 writes booleans
        if (!isLong && line.SequenceEqual("00"u8))
            return false;
        if (isLong && line.EndsWith("L"u8))
            line = line[..^1];
        if (!BigInteger.TryParse(Encoding.UTF8.GetString(line), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            throw Damaged("a number is not a number");
        return Narrow(number);
    }

    private object FloatLine() => double.TryParse(Line(MaxLine), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw Damaged("a number is not a number");

    /// <summary>Protocol 0's text in quotes; escapes are not needed for what torch.save writes.</summary>
    private string QuotedLine()
    {
        var line = Line(MaxLine);
        if (line.Length < 2 || line[0] != line[^1] || line[0] is not ((byte)'\'' or (byte)'"') || line.Contains((byte)'\\'))
            throw Damaged("a line of text is not in quotes, or has escapes");
        return OldText(line[1..^1]);
    }

    private static object Integer(ReadOnlySpan<byte> littleEndian) => Narrow(new BigInteger(littleEndian));

    private static object Narrow(BigInteger number) => number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number;

    private string Text(ReadOnlySpan<byte> utf8)
    {
        if (!System.Text.Unicode.Utf8.IsValid(utf8))
            throw Damaged("a string is not UTF-8");
        return Made(Encoding.UTF8.GetString(utf8));
    }

    /// <summary>Python 2's byte strings: text where they are UTF-8, else one character a byte.</summary>
    private string OldText(ReadOnlySpan<byte> bytes) =>
        Made(System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : Encoding.Latin1.GetString(bytes));

    private CheckpointException CutOff() => new(_path, _bytes.Length == MaxBytes
        ? $"the pickle is longer than {MaxBytes} bytes, which no state dict is."
        : $"the pickle ends in the middle, after {_bytes.Length} bytes: the file was cut off. Download it again.");

    private CheckpointException Damaged(string problem) => new(_path, $"the pickle is damaged or hostile at byte {_at}: {problem}.");
}
