using System.Buffers.Binary;
using System.Text;

namespace ChatGLM.Formats;

internal ref partial struct PickleReader
{
    private PickleSequence Gather(PickleSequenceKind kind, int from)
    {
        var sequence = Made(new PickleSequence(kind));
        for (var i = from; i < _stack.Count; i++)
            Check(sequence.Add(_stack[i]));
        Cut(from);
        return sequence;
    }

    private void GatherDict()
    {
        var from = PopMark();
        var dict = Made(new PickleDict());
        AddPairs(dict, from);
        Cut(from);
        Push(dict);
    }

    private void Extend(int from)
    {
        // The container lies under the values, and not under an earlier mark.
        if (from - 1 < Fence || _stack[from - 1] is not PickleSequence { Kind: PickleSequenceKind.List or PickleSequenceKind.Set } sequence)
            throw Damaged("it adds values to something that is neither a list nor a set");
        for (var i = from; i < _stack.Count; i++)
            Check(sequence.Add(_stack[i]));
        Cut(from);
    }

    private void SetItems(int from)
    {
        if (from - 1 < Fence || _stack[from - 1] is not PickleDict dict)
            throw Damaged("it sets items of something that is not a dict");
        AddPairs(dict, from);
        Cut(from);
    }

    private void AddPairs(PickleDict dict, int from)
    {
        if ((_stack.Count - from) % 2 != 0)
            throw Damaged("a dict has a key without a value");
        for (var i = from; i < _stack.Count; i += 2)
            Check(dict.Add(_stack[i], _stack[i + 1]));
    }

    private void Global()
    {
        var module = NameLine();
        var name = NameLine();
        Push(Find(module, name));
    }

    private void StackGlobal()
    {
        if (Pop() is not string name || Pop() is not string module)
            throw Damaged("a global's name is not text");
        Push(Find(module, name));
    }

    private object Find(string module, string name) =>
        PickleGlobal.Find(module, name) ?? throw new UnsafePickleException(_path, $"{module}.{name}", _at);

    private object Storage(object? id)
    {
        try
        {
            return _storages.Mention(id);
        }
        catch (FormatException e)
        {
            throw Damaged(e.Message);
        }
    }

    private void Reduce()
    {
        var tuple = Pop();
        if (Pop() is not PickleGlobal global || tuple is not PickleSequence { Kind: PickleSequenceKind.Tuple, Items: var args })
            throw Damaged("it calls something that is no function, or with arguments that are no tuple");
        Push(global.Kind switch
        {
            PickleGlobalKind.OrderedDict => OrderedDict(args),
            PickleGlobalKind.RebuildTensorV1 or PickleGlobalKind.RebuildTensorV2 => Tensor(args),
            PickleGlobalKind.RebuildParameter when args is [TorchTensor tensor, ..] => tensor,
            PickleGlobalKind.RebuildParameterWithState when args is [TorchTensor tensor, ..] => tensor,
            PickleGlobalKind.TorchSize when args is [PickleSequence sizes] => Copy(PickleSequenceKind.TorchSize, sizes),
            PickleGlobalKind.TorchDevice when args is [string type] => new TorchDevice(type),
            PickleGlobalKind.TorchDevice when args is [string type, long index] => new TorchDevice($"{type}:{index}"),
            PickleGlobalKind.Set when args is [PickleSequence items] => Copy(PickleSequenceKind.Set, items),
            PickleGlobalKind.FrozenSet when args is [PickleSequence items] => Copy(PickleSequenceKind.FrozenSet, items),
            PickleGlobalKind.Bytes => Bytes(args),
            // The array is empty yet: BUILD fills it.
            PickleGlobalKind.NumpyReconstruct when args is [PickleGlobal { Kind: PickleGlobalKind.NumpyArray }, PickleSequence, _] => Made(new NumpyArray()),
            PickleGlobalKind.NumpyDType when args is [string code, ..] && NumpyDType.Find(code) is { } dtype => Made(dtype),
            PickleGlobalKind.NumpyScalar when args is [NumpyDType dtype, byte[] bytes] && bytes.Length == dtype.SizeInBytes => Scalar(dtype, bytes),
            _ => throw Damaged($"it calls {global.Kind} with arguments that do not fit"),
        });
    }

    private PickleSequence Copy(PickleSequenceKind kind, PickleSequence items)
    {
        var copy = Made(new PickleSequence(kind));
        foreach (var item in items.Items)
        {
            Made(item); // copies count as values too, or a few bytes could make many
            if (_made > MaxObjects)
                throw Damaged($"it makes more than {MaxObjects} values");
            Check(copy.Add(item));
        }

        return copy;
    }

    private PickleDict OrderedDict(IReadOnlyList<object?> args)
    {
        var dict = Made(new PickleDict());
        if (args.Count == 0)
            return dict;
        if (args is not [PickleSequence pairs])
            throw Damaged("an OrderedDict is made from something that is no list of pairs");
        foreach (var pair in pairs.Items)
        {
            if (pair is not PickleSequence { Items: [var key, var value] })
                throw Damaged("an OrderedDict is made from something that is no list of pairs");
            if (++_made > MaxObjects)
                throw Damaged($"it makes more than {MaxObjects} values");
            Check(dict.Add(key, value));
        }

        return dict;
    }

    /// <summary>Arguments: storage, offset, sizes, strides, then what only training in Python needs (requires_grad, hooks, metadata).</summary>
    private TorchTensor Tensor(IReadOnlyList<object?> args)
    {
        if (args is not [TorchStorage storage, long offset, PickleSequence sizes, PickleSequence strides, ..])
            throw Damaged("a tensor is made from something other than a storage, an offset, sizes and strides");
        Check(TorchTensor.TryCreate(storage, offset, Numbers(sizes, "sizes"), Numbers(strides, "strides"), out var tensor));
        return Made(tensor!);
    }

    private long[] Numbers(PickleSequence sequence, string what)
    {
        if (sequence.Items.Count > TorchTensor.MaxRank)
            throw Damaged($"a tensor has {sequence.Items.Count} {what}, at most {TorchTensor.MaxRank} are read");
        var numbers = new long[sequence.Items.Count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = sequence.Items[i] as long? ?? throw Damaged($"the {what} of a tensor are not whole numbers that fit 64 bits");
        return numbers;
    }

    /// <summary>Protocol 2 has no bytes of its own: it writes text and how to encode it.</summary>
    private byte[] Bytes(IReadOnlyList<object?> args)
    {
        if (args.Count == 0)
            return [];
        if (args is not [string text, "latin1" or "latin-1"] || text.AsSpan().ContainsAnyExceptInRange('\0', '\u00FF'))
            throw Damaged("bytes are made from something other than Latin-1 text");
        if ((_made += text.Length / 16) > MaxObjects)
            throw Damaged("it makes more bytes than a state dict holds");
        return Made(Encoding.Latin1.GetBytes(text));
    }

    private static object Scalar(NumpyDType dtype, byte[] bytes) => dtype.Code switch
    {
        "b1" => bytes[0] != 0,
        "i1" => (long)(sbyte)bytes[0],
        "u1" => (long)bytes[0],
        "i2" => (long)BinaryPrimitives.ReadInt16LittleEndian(bytes),
        "u2" => (long)BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        "i4" => (long)BinaryPrimitives.ReadInt32LittleEndian(bytes),
        "u4" => (long)BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        "i8" => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        "u8" => Narrow(BinaryPrimitives.ReadUInt64LittleEndian(bytes)),
        "f2" => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes),
        "f4" => (double)BinaryPrimitives.ReadSingleLittleEndian(bytes),
        _ => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
    };

    /// <summary>
    /// BUILD sets attributes. PyTorch puts a state dict's version numbers there, which nothing here needs, so they are dropped; numpy the content of an array. On any other
    /// object it would be a way to run the object's own code.
    /// </summary>
    private void Build()
    {
        var state = Pop();
        var target = _stack[Top(1)];
        if (target is NumpyArray array)
        {
            Check(array.Fill(state));
            return;
        }

        if (target is NumpyDType)
        {
            Check(NumpyDType.ProblemWith(state));
            return;
        }

        if (target is not PickleDict)
            throw new UnsafePickleException(_path, "opcode Build on something other than a dict", _at - 1);
        if (state is not (null or PickleDict or PickleSequence))
            throw Damaged("a dict's attributes are no dict");
    }

    private void Check(string? problem)
    {
        if (problem is not null)
            throw Damaged(problem);
    }
}
