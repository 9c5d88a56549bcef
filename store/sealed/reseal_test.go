package sealed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/sealed"
)

func TestResealLetsTheOldKeyGo(t *testing.T) {
	t.Parallel()
	inner, old, young := memory.New(), newKey(t), newKey(t)
	expires := time.Now().Add(time.Hour)
	for i := range 10 {
		e := store.Entry{Value: []byte(fmt.Sprint(i)), Expires: expires}
		if _, err := seal(t, inner, old).Put(t.Context(), fmt.Sprintf("h/%d", i), e); err != nil {
			t.Fatal(err)
		}
	}
	put(t, seal(t, inner, young), "h/new", "new")
	put(t, seal(t, inner, old), "h/empty", "")
	s := seal(t, inner, young, old)
	for _, want := range []int{11, 0} {
		if n, err := s.Reseal(t.Context()); n != want || err != nil {
			t.Errorf("Reseal = %d, %v, want %d", n, err, want)
		}
	}
	alone := seal(t, inner, young)
	for i := range 10 {
		if e := get(t, alone, fmt.Sprintf("h/%d", i)); string(e.Value) != fmt.Sprint(i) || !e.Expires.Equal(expires) {
			t.Errorf("h/%d = %q, expires %v", i, e.Value, e.Expires)
		}
	}
	get(t, alone, "h/new")
	get(t, alone, "h/empty")
}

func TestResealSealsPlainValuesOnlyWhereItWasAskedFor(t *testing.T) {
	t.Parallel()
	inner, key := memory.New(), newKey(t)
	put(t, inner, octocat, "plain")
	put(t, inner, "h/empty", "")
	if n, err := seal(t, inner, key).Reseal(t.Context()); n != 0 || err == nil {
		t.Errorf("Reseal without the option = %d, %v, want an error", n, err)
	}
	if got := get(t, inner, octocat).Value; string(got) != "plain" {
		t.Fatalf("Reseal without the option wrote %q", got)
	}
	if n, err := sealOverPlain(t, inner, key).Reseal(t.Context()); n != 2 || err != nil {
		t.Errorf("Reseal = %d, %v, want 2", n, err)
	}
	if got := get(t, seal(t, inner, key), octocat).Value; string(got) != "plain" {
		t.Errorf("the value that was plain opens as %q", got)
	}
}

// Replicas before and after the change of keys write while Reseal runs.
func TestResealLosesNoUpdateOfConcurrentWriters(t *testing.T) {
	t.Parallel()
	inner, old, young := memory.New(), newKey(t), newKey(t)
	handles := []store.Store{seal(t, inner, old, young), seal(t, inner, young, old)}
	keys := []string{"h/1", "h/2", "h/3"}
	for _, key := range keys {
		put(t, handles[0], key, "")
	}
	const writers, each = 6, 50
	var writing, resealing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for n := range each {
				add(t, handles[i%2], keys[n%len(keys)])
			}
		})
	}
	stop := make(chan struct{})
	s := seal(t, inner, young, old)
	for range 2 {
		resealing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Reseal(t.Context()); err != nil && !errors.Is(err, store.ErrConflict) {
					t.Errorf("Reseal = %v", err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	resealing.Wait()
	if _, err := s.Reseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	updates := 0
	for _, key := range keys {
		updates += len(get(t, seal(t, inner, young), key).Value)
	}
	if updates != writers*each {
		t.Errorf("%d of %d updates are left", updates, writers*each)
	}
}

// add appends a byte to the value under key, by check-and-set.
func add(t *testing.T, s store.Store, key string) {
	t.Helper()
	for {
		e, err := s.Get(t.Context(), key)
		if err != nil {
			t.Errorf("Get = %v", err)
			return
		}
		e.Value = append(e.Value, 'x')
		_, err = s.Put(t.Context(), key, e)
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("Put = %v", err)
			return
		}
	}
}

// hooked runs a hook before each Get and Put of the store below; the hook may fail them.
type hooked struct {
	*memory.Store
	get, put func(ctx context.Context, key string) error
}

func (h *hooked) Get(ctx context.Context, key string) (store.Entry, error) {
	if h.get != nil {
		if err := h.get(ctx, key); err != nil {
			return store.Entry{}, err
		}
	}
	return h.Store.Get(ctx, key)
}

func (h *hooked) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	if h.put != nil {
		if err := h.put(ctx, key); err != nil {
			return "", err
		}
	}
	return h.Store.Put(ctx, key, e)
}

// Somebody signs in between Reseal's read and its write.
func TestResealNeverUndoesAWriteThatCameBetween(t *testing.T) {
	t.Parallel()
	old, young := newKey(t), newKey(t)
	for name, tt := range map[string]struct {
		by   []sealed.Key // Who deletes or writes between; nil = somebody without keys, who only deletes.
		anew bool         // Deletes before the write.
		n    int
		want string // "" = absent.
	}{
		"a write with the first key":   {[]sealed.Key{young, old}, false, 0, "new"},
		"a write with the old key":     {[]sealed.Key{old}, false, 1, "new"},
		"the entry was deleted":        {nil, true, 0, ""},
		"deleted, and signed in again": {[]sealed.Key{young}, true, 0, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := &hooked{Store: memory.New()}
			put(t, seal(t, inner, old), octocat, "before")
			inner.put = func(context.Context, string) error {
				inner.put = nil
				if tt.anew {
					inner.Delete(t.Context(), octocat)
				}
				if tt.by != nil {
					write(t, seal(t, inner.Store, tt.by...), "new")
				}
				return nil
			}
			if n, err := seal(t, inner, young, old).Reseal(t.Context()); n != tt.n || err != nil {
				t.Errorf("Reseal = %d, %v, want %d", n, err, tt.n)
			}
			if tt.want == "" {
				if _, err := inner.Get(t.Context(), octocat); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Reseal brought a deleted entry back: %v", err)
				}
			} else if got := get(t, seal(t, inner, young), octocat).Value; string(got) != tt.want {
				t.Errorf("value = %q, want %q", got, tt.want)
			}
		})
	}
}

// write puts value under octocat, over what stands there.
func write(t *testing.T, s store.Store, value string) {
	t.Helper()
	e, err := s.Get(t.Context(), octocat)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), octocat, store.Entry{Value: []byte(value), Version: e.Version}); err != nil {
		t.Error(err)
	}
}

func TestResealGivesUpOnAValueThatNeverStandsStill(t *testing.T) {
	t.Parallel()
	inner, old, young := &hooked{Store: memory.New()}, newKey(t), newKey(t)
	put(t, seal(t, inner, old), octocat, "v")
	put(t, seal(t, inner, old), "h/still", "v")
	inner.put = func(_ context.Context, key string) error {
		if key == octocat {
			return store.ErrConflict
		}
		return nil
	}
	if n, err := seal(t, inner, young, old).Reseal(t.Context()); n != 1 || !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), octocat) {
		t.Errorf("Reseal = %d, %v, want 1 and an error about %s", n, err, octocat)
	}
}

func TestResealReportsWhatFailsAndGoesOn(t *testing.T) {
	t.Parallel()
	inner, old, young, lost := &hooked{Store: memory.New()}, newKey(t), newKey(t), newKey(t)
	for _, key := range []string{"h/1", "h/2", "h/noread", "h/nowrite"} {
		put(t, seal(t, inner, old), key, "v")
	}
	put(t, seal(t, inner, lost), "h/lost", "v")
	put(t, inner, "h/plain", "v")
	put(t, inner, "h/moved", string(get(t, inner, "h/1").Value))
	inner.get = failFor("h/noread")
	inner.put = failFor("h/nowrite")
	n, err := seal(t, inner, young, old).Reseal(t.Context())
	if n != 2 || err == nil {
		t.Fatalf("Reseal = %d, %v, want 2 and errors", n, err)
	}
	for _, key := range []string{"h/noread", "h/nowrite", "h/lost", "h/plain", "h/moved"} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("the error does not name %s:\n%v", key, err)
		}
	}
	var failed *sealed.OpenError
	if !errors.Is(err, errDown) || !errors.As(err, &failed) {
		t.Errorf("the error does not wrap what happened: %v", err)
	}
	for _, key := range []string{"h/1", "h/2"} {
		get(t, seal(t, inner, young), key)
	}
}

func failFor(failing string) func(context.Context, string) error {
	return func(_ context.Context, key string) error {
		if key == failing {
			return errDown
		}
		return nil
	}
}

// With the wrong keys configured every value fails.
func TestResealCountsErrorsBeyondTheFirstTwenty(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	for i := range 100 {
		put(t, inner, fmt.Sprintf("h/%d", i), "plain")
	}
	_, err := seal(t, inner, newKey(t)).Reseal(t.Context())
	if err == nil {
		t.Fatal("Reseal = nil")
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 21 || !strings.Contains(err.Error(), "80 more values") {
		t.Errorf("the error has %d lines, want 20 and a count:\n%v", lines, err)
	}
}

// The backend goes away after the walk has begun: each of a million keys would wait for a timeout of its own.
func TestResealGivesUpOnAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	inner, old, young := &hooked{Store: memory.New()}, newKey(t), newKey(t)
	for i := range 200 {
		put(t, seal(t, inner, old), fmt.Sprintf("h/%d", i), "v")
	}
	asked := 0
	inner.get = func(context.Context, string) error {
		if asked++; asked > 10 {
			return errDown
		}
		return nil
	}
	n, err := seal(t, inner, young, old).Reseal(t.Context())
	if n != 10 || !errors.Is(err, errDown) || asked > 50 || !strings.Contains(err.Error(), "run Reseal again") {
		t.Errorf("Reseal = %d after %d questions, want 10 and that it gives up: %v", n, asked, err)
	}
}

func TestResealReportsAWalkThatBreaksOff(t *testing.T) {
	t.Parallel()
	if n, err := seal(t, downStore{memory.New()}, newKey(t)).Reseal(t.Context()); n != 0 || !errors.Is(err, errDown) {
		t.Errorf("Reseal = %d, %v, want the error of the walk", n, err)
	}
}

func TestResealEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inner, old, young := &hooked{Store: memory.New()}, newKey(t), newKey(t)
	for i := range 10 {
		put(t, seal(t, inner, old), fmt.Sprintf("h/%d", i), "v")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	puts := 0
	inner.put = func(context.Context, string) error {
		if puts++; puts == 3 {
			cancel()
		}
		return nil
	}
	n, err := seal(t, inner, young, old).Reseal(ctx)
	if n != 2 || puts != 3 || !errors.Is(err, context.Canceled) {
		t.Errorf("Reseal = %d, %v after %d writes, want 2, context.Canceled and 3", n, err, puts)
	}
	if n, err := seal(t, inner, young, old).Reseal(ctx); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Reseal with an ended context = %d, %v", n, err)
	}
}

// A backend that hangs on one key must not hold up the others, nor let a write through days later.
func TestResealLeavesAValueThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner, old, young := &hooked{Store: memory.New()}, newKey(t), newKey(t)
		for _, key := range []string{"h/1", "h/2", "h/hangs"} {
			put(t, seal(t, inner, old), key, "v")
		}
		inner.get = func(ctx context.Context, key string) error {
			if key != "h/hangs" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		n, err := seal(t, inner, young, old).Reseal(t.Context())
		if n != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reseal = %d, %v, want 2 and a deadline", n, err)
		}
	})
}
