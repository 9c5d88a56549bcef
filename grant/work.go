package grant

import (
	"context"
	"sync"
	"time"
)

// work is what goes on behind requests. Close waits for it, and then ends it.
type work struct {
	ctx     context.Context // Ends everything.
	cancel  context.CancelFunc
	closing chan struct{} // Closed when Close begins: what only waits need not wait any more.

	mu      sync.Mutex
	running int
	idle    chan struct{} // Closed when Close has begun and nothing runs.
}

func (w *work) start() {
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.closing = make(chan struct{})
}

// detach returns a context that outlives the request it came from, keeps its values, and ends with
// d or with the manager. The caller calls done. It reports false once the manager is closed; while
// Close waits, what runs may still start what belongs to it.
func (w *work) detach(ctx context.Context, d time.Duration) (_ context.Context, done func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle != nil && w.running == 0 {
		return nil, nil, false
	}
	w.running++
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(w.ctx, cancel)
	return ctx, func() { stop(); cancel(); w.finish() }, true
}

func (w *work) isClosing() bool {
	select {
	case <-w.closing:
		return true
	default:
		return false
	}
}

func (w *work) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.running == 0 && w.idle != nil {
		close(w.idle)
	}
}

// linger waits for d, or until Close begins, which it reports by false.
func (w *work) linger(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.closing:
		return false
	}
}

// close waits for what runs until ctx ends, and then ends it. It returns ctx's error if anything had
// to be ended. A second call returns nil at once.
func (w *work) close(ctx context.Context) error {
	w.mu.Lock()
	if w.idle != nil {
		w.mu.Unlock()
		return nil
	}
	w.idle = make(chan struct{})
	if w.running == 0 {
		close(w.idle)
	}
	close(w.closing)
	w.mu.Unlock()

	var err error
	select {
	case <-w.idle:
	default: // Only where there is something to wait for does it matter that ctx has ended.
		select {
		case <-w.idle:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	w.cancel()
	<-w.idle
	return err
}
