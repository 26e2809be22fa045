using System.Globalization;

namespace ChatGLM.TorchSharp;

/// <summary>Opens devices of libtorch, with errors that say what to install.</summary>
internal static class TorchDevices
{
    /// <exception cref="TorchUnavailableException">libtorch cannot be loaded, or there is no such device.</exception>
    public static Torch.Device Open(Device device)
    {
        try
        {
            switch (device.Type)
            {
                case "cpu":
                    Torch.InitializeDeviceType(global::TorchSharp.DeviceType.CPU);
                    break;
                case "cuda":
                    var count = Torch.TryInitializeDeviceType(global::TorchSharp.DeviceType.CUDA) && Torch.cuda.is_available() ? Torch.cuda.device_count() : 0;
                    if (count == 0)
                        throw new TorchUnavailableException($"{device} was asked for, and libtorch finds no NVIDIA GPU. Check that the driver is installed (nvidia-smi shows the GPU) and that the program references TorchSharp-cuda-linux or TorchSharp-cuda-windows rather than TorchSharp-cpu; or use Device.Cpu.");
                    if (device.Index < 0 || device.Index >= count)
                        throw new TorchUnavailableException($"{device} was asked for, and there are GPUs 0..{count - 1}.");
                    break;
                default:
                    throw new TorchUnavailableException($"{device} is not a device of libtorch here; expected Device.Cpu or Device.Cuda(index).");
            }

            var opened = new Torch.Device(device.Type, device.Type == "cpu" ? -1 : device.Index);
            Torch.empty([1], Torch.ScalarType.Float32, opened).Dispose();
            return opened;
        }
        catch (Exception error) when (error is not TorchUnavailableException && IsMissingLibrary(error))
        {
            throw new TorchUnavailableException(
                string.Create(CultureInfo.InvariantCulture, $"libtorch cannot be loaded for {device}. Add the package TorchSharp-cpu, TorchSharp-cuda-linux or TorchSharp-cuda-windows of the same version as TorchSharp to the program; the loader said: {FirstLine(Innermost(error).Message)}"),
                error);
        }
    }

    private static bool IsMissingLibrary(Exception error) =>
        Innermost(error) is DllNotFoundException or NotSupportedException or EntryPointNotFoundException or FileNotFoundException or BadImageFormatException or global::System.Runtime.InteropServices.ExternalException;

    /// <summary>TorchSharp's message is a log of all that its loader tried; it is whole in the inner exception.</summary>
    private static string FirstLine(string message)
    {
        var line = message.AsSpan().TrimStart();
        if (line.IndexOfAny('\r', '\n') is >= 0 and var end)
            line = line[..end];
        return line.Length <= 300 ? line.ToString() : $"{line[..300]}...";
    }

    private static Exception Innermost(Exception error) => error.InnerException is { } inner ? Innermost(inner) : error;
}
