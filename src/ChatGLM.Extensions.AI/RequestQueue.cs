namespace ChatGLM.Extensions.AI;

/// <summary>Lets one in at a time, in the order in which they came. (SemaphoreSlim promises no order.)</summary>
internal sealed class RequestQueue(string modelId, int maxLength)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<TaskCompletionSource> _waiting = [];
    private bool _isBusy;
    private bool _isClosed;

    /// <summary>How many wait.</summary>
    public int Length
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    /// <summary>Waits for a turn. <see cref="Leave"/> ends it.</summary>
    /// <exception cref="ModelBusyException">Too many wait already.</exception>
    /// <exception cref="ObjectDisposedException">The model is being disposed.</exception>
    public Task EnterAsync(CancellationToken cancellationToken)
    {
        LinkedListNode<TaskCompletionSource> place;
        lock (_gate)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_isClosed, typeof(SharedModel));
            if (!_isBusy)
            {
                _isBusy = true;
                return Task.CompletedTask;
            }

            if (_waiting.Count >= maxLength)
                throw new ModelBusyException(modelId, maxLength);
            place = _waiting.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        return WaitAsync(place, cancellationToken);
    }

    /// <summary>Ends a turn; the next in line begins.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            if (_waiting.First is not { } next)
            {
                _isBusy = false;
                return;
            }

            _waiting.RemoveFirst();
            next.Value.SetResult();
        }
    }

    /// <summary>Sends everybody away who waits, and waits for the turn that is under way. No turn begins any more.</summary>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            _isClosed = true;
            foreach (var place in _waiting)
                place.SetException(new ObjectDisposedException(nameof(SharedModel)));
            _waiting.Clear();
            if (!_isBusy)
            {
                _isBusy = true;
                return Task.CompletedTask;
            }

            return _waiting.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Value.Task;
        }
    }

    private async Task WaitAsync(LinkedListNode<TaskCompletionSource> place, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(_ => Cancel(place, cancellationToken), null).ConfigureAwait(false);
        await place.Value.Task.ConfigureAwait(false);
    }

    private void Cancel(LinkedListNode<TaskCompletionSource> place, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            // A place that is gone has its turn already, and ends it itself.
            if (place.List is null)
                return;
            _waiting.Remove(place);
            place.Value.SetCanceled(cancellationToken);
        }
    }
}
