using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

internal static unsafe partial class GroupProduct<TSimd, TInt, TFloat, TFormat>
{
    private readonly partial struct ManyRows
    {
        /// <summary><see cref="Tile"/> for eight rows of x, all of them there: a weight that is taken apart serves twice as many.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void TileOfEight(int unit, int group, int endGroup, int row, float* sums)
        {
            var block1 = Math.Min((2 * unit) + 1, weight.Blocks - 1);
            var w0 = weight.Group(2 * unit, group);
            var w1 = weight.Group(block1, group);
            var scale0 = weight.ScaleIndex(2 * unit, group);
            var scale1 = weight.ScaleIndex(block1, group);
            nint stride = x.RowBytes, stride2 = 2 * stride, stride3 = 3 * stride, groups = x.Groups;
            var x0 = x.Quads + (row * stride) + (group * x.GroupBytes);
            var x4 = x0 + (4 * stride);
            var at = (row * groups) + group;
            var groupBytes = weight.GroupBytes;
            for (; group < endGroup; group++)
            {
                TInt t00 = TSimd.Broadcast(x.Starts[at]), t01 = t00;
                TInt t10 = TSimd.Broadcast(x.Starts[at + groups]), t11 = t10;
                TInt t20 = TSimd.Broadcast(x.Starts[at + (2 * groups)]), t21 = t20;
                TInt t30 = TSimd.Broadcast(x.Starts[at + (3 * groups)]), t31 = t30;
                TInt t40 = TSimd.Broadcast(x.Starts[at + (4 * groups)]), t41 = t40;
                TInt t50 = TSimd.Broadcast(x.Starts[at + (5 * groups)]), t51 = t50;
                TInt t60 = TSimd.Broadcast(x.Starts[at + (6 * groups)]), t61 = t60;
                TInt t70 = TSimd.Broadcast(x.Starts[at + (7 * groups)]), t71 = t70;
                var end = w0 + groupBytes;
                while (TFormat.IsNibbles && w0 < end)
                {
                    TInt p00 = TSimd.Open(t00), p01 = TSimd.Open(t01);
                    TInt p10 = TSimd.Open(t10), p11 = TSimd.Open(t11);
                    TInt p20 = TSimd.Open(t20), p21 = TSimd.Open(t21);
                    TInt p30 = TSimd.Open(t30), p31 = TSimd.Open(t31);
                    TInt p40 = TSimd.Open(t40), p41 = TSimd.Open(t41);
                    TInt p50 = TSimd.Open(t50), p51 = TSimd.Open(t51);
                    TInt p60 = TSimd.Open(t60), p61 = TSimd.Open(t61);
                    TInt p70 = TSimd.Open(t70), p71 = TSimd.Open(t71);
                    for (var stop = w0 + 256; w0 < stop; w0 += 64, w1 += 64)
                    {
                        TInt octets0 = TSimd.Load(w0), octets1 = TSimd.Load(w1);
                        TInt a = TSimd.LowNibbles(octets0), b = TSimd.LowNibbles(octets1);
                        TSimd.AddNibblesInFours(ref p00, ref p01, ref p10, ref p11, a, b, x0, x0 + stride);
                        TSimd.AddNibblesInFours(ref p20, ref p21, ref p30, ref p31, a, b, x0 + stride2, x0 + stride3);
                        TSimd.AddNibblesInFours(ref p40, ref p41, ref p50, ref p51, a, b, x4, x4 + stride);
                        TSimd.AddNibblesInFours(ref p60, ref p61, ref p70, ref p71, a, b, x4 + stride2, x4 + stride3);
                        a = TSimd.HighNibbles(octets0);
                        b = TSimd.HighNibbles(octets1);
                        TSimd.AddNibblesInFours(ref p00, ref p01, ref p10, ref p11, a, b, x0 + 4, x0 + stride + 4);
                        TSimd.AddNibblesInFours(ref p20, ref p21, ref p30, ref p31, a, b, x0 + stride2 + 4, x0 + stride3 + 4);
                        TSimd.AddNibblesInFours(ref p40, ref p41, ref p50, ref p51, a, b, x4 + 4, x4 + stride + 4);
                        TSimd.AddNibblesInFours(ref p60, ref p61, ref p70, ref p71, a, b, x4 + stride2 + 4, x4 + stride3 + 4);
                        x0 += 8;
                        x4 += 8;
                    }

                    t00 = TSimd.Close(t00, p00);
                    t01 = TSimd.Close(t01, p01);
                    t10 = TSimd.Close(t10, p10);
                    t11 = TSimd.Close(t11, p11);
                    t20 = TSimd.Close(t20, p20);
                    t21 = TSimd.Close(t21, p21);
                    t30 = TSimd.Close(t30, p30);
                    t31 = TSimd.Close(t31, p31);
                    t40 = TSimd.Close(t40, p40);
                    t41 = TSimd.Close(t41, p41);
                    t50 = TSimd.Close(t50, p50);
                    t51 = TSimd.Close(t51, p51);
                    t60 = TSimd.Close(t60, p60);
                    t61 = TSimd.Close(t61, p61);
                    t70 = TSimd.Close(t70, p70);
                    t71 = TSimd.Close(t71, p71);
                }

                var quadBytes = TSimd.HasWideQuads ? 8 : 4;
                for (; !TFormat.IsNibbles && w0 < end; w0 += 64, w1 += 64)
                {
                    TSimd.Split(TSimd.Load(w0), out var a, out var b);
                    TSimd.Split(TSimd.Load(w1), out var c, out var d);
                    TSimd.AddBytesInPairs(ref t00, ref t01, a, b, c, d, x0);
                    TSimd.AddBytesInPairs(ref t10, ref t11, a, b, c, d, x0 + stride);
                    TSimd.AddBytesInPairs(ref t20, ref t21, a, b, c, d, x0 + stride2);
                    TSimd.AddBytesInPairs(ref t30, ref t31, a, b, c, d, x0 + stride3);
                    TSimd.AddBytesInPairs(ref t40, ref t41, a, b, c, d, x4);
                    TSimd.AddBytesInPairs(ref t50, ref t51, a, b, c, d, x4 + stride);
                    TSimd.AddBytesInPairs(ref t60, ref t61, a, b, c, d, x4 + stride2);
                    TSimd.AddBytesInPairs(ref t70, ref t71, a, b, c, d, x4 + stride3);
                    x0 += quadBytes;
                    x4 += quadBytes;
                }

                TFloat s0 = TSimd.LoadScales(weight.Scales + scale0), s1 = TSimd.LoadScales(weight.Scales + scale1);
                if (TFormat.HasMinimum)
                {
                    TFloat m0 = TSimd.LoadScales(weight.Minimums + scale0), m1 = TSimd.LoadScales(weight.Minimums + scale1);
                    AddMinimum(sums, 0, m0, m1, x.Sums[at]);
                    AddMinimum(sums, 1, m0, m1, x.Sums[at + groups]);
                    AddMinimum(sums, 2, m0, m1, x.Sums[at + (2 * groups)]);
                    AddMinimum(sums, 3, m0, m1, x.Sums[at + (3 * groups)]);
                    AddMinimum(sums, 4, m0, m1, x.Sums[at + (4 * groups)]);
                    AddMinimum(sums, 5, m0, m1, x.Sums[at + (5 * groups)]);
                    AddMinimum(sums, 6, m0, m1, x.Sums[at + (6 * groups)]);
                    AddMinimum(sums, 7, m0, m1, x.Sums[at + (7 * groups)]);
                }

                Add(sums, 0, t00, t01, s0, s1, x.Scales[at]);
                Add(sums, 1, t10, t11, s0, s1, x.Scales[at + groups]);
                Add(sums, 2, t20, t21, s0, s1, x.Scales[at + (2 * groups)]);
                Add(sums, 3, t30, t31, s0, s1, x.Scales[at + (3 * groups)]);
                Add(sums, 4, t40, t41, s0, s1, x.Scales[at + (4 * groups)]);
                Add(sums, 5, t50, t51, s0, s1, x.Scales[at + (5 * groups)]);
                Add(sums, 6, t60, t61, s0, s1, x.Scales[at + (6 * groups)]);
                Add(sums, 7, t70, t71, s0, s1, x.Scales[at + (7 * groups)]);
                scale0 += BlockRows;
                scale1 += BlockRows;
                at++;
            }
        }
    }
}
