namespace ChatGLM.Extensions.AI;

/// <summary>
/// Lets requests in in the order in which they came: so many answers at once, and one at a time that has the model to itself, which answers under way let through between two tokens. (SemaphoreSlim promises
/// no order.)
/// </summary>
internal sealed class RequestQueue(string modelId, int maxLength, int maxConcurrent)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<(bool IsExclusive, TaskCompletionSource Turn)> _waiting = [];
    private TaskCompletionSource? _idle;
    private int _answering;
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
    /// <param name="isExclusive">Whether it is work that has the model to itself; else an answer.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ModelBusyException">Too many wait already.</exception>
    /// <exception cref="ObjectDisposedException">The model is being disposed.</exception>
    public Task EnterAsync(bool isExclusive, CancellationToken cancellationToken)
    {
        LinkedListNode<(bool IsExclusive, TaskCompletionSource Turn)> place;
        lock (_gate)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_isClosed, typeof(SharedModel));
            if (CanEnter(isExclusive) && !_waiting.Any(waiting => waiting.IsExclusive == isExclusive))
            {
                Enter(isExclusive);
                return Task.CompletedTask;
            }

            if (_waiting.Count >= maxLength)
                throw new ModelBusyException(modelId, maxLength);
            place = _waiting.AddLast((isExclusive, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)));
        }

        return WaitAsync(place, cancellationToken);
    }

    /// <summary>Ends a turn; those next in line begin.</summary>
    public void Leave(bool isExclusive)
    {
        lock (_gate)
        {
            if (isExclusive)
                _isBusy = false;
            else
                _answering--;
            for (var place = _waiting.First; place is not null;)
            {
                var (next, (exclusive, turn)) = (place.Next, place.Value);
                if (CanEnter(exclusive))
                {
                    _waiting.Remove(place);
                    Enter(exclusive);
                    turn.SetResult();
                }

                place = next;
            }

            if (!_isBusy && _answering == 0)
                _idle?.TrySetResult();
        }
    }

    /// <summary>Sends everybody away who waits, and waits for the turns that are under way. No turn begins any more.</summary>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            _isClosed = true;
            foreach (var (_, turn) in _waiting)
                turn.SetException(new ObjectDisposedException(nameof(SharedModel)));
            _waiting.Clear();
            if (!_isBusy && _answering == 0)
                return Task.CompletedTask;
            _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    private bool CanEnter(bool isExclusive) => !_isBusy && (isExclusive || _answering < maxConcurrent);

    private void Enter(bool isExclusive)
    {
        if (isExclusive)
            _isBusy = true;
        else
            _answering++;
    }

    private async Task WaitAsync(LinkedListNode<(bool IsExclusive, TaskCompletionSource Turn)> place, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(_ => Cancel(place, cancellationToken), null).ConfigureAwait(false);
        await place.Value.Turn.Task.ConfigureAwait(false);
    }

    private void Cancel(LinkedListNode<(bool IsExclusive, TaskCompletionSource Turn)> place, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            // A place that is gone has its turn already, and ends it itself.
            if (place.List is null)
                return;
            _waiting.Remove(place);
            place.Value.Turn.SetCanceled(cancellationToken);
        }
    }
}
