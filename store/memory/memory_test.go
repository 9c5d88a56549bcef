package memory_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Open {
		s := memory.New()
		return func(*testing.T) store.Store { return s }
	})
}

func TestExpiredEntryIsNotFoundAndCanBeMadeAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New()
		old, err := s.Put(ctx, "h/1", store.Entry{Value: []byte("a"), Expires: time.Now().Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // Before anything is swept.
		if _, err := s.Get(ctx, "h/1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get after Expires = %v, want ErrNotFound", err)
		}
		if _, err := s.Put(ctx, "h/1", store.Entry{Value: []byte("b"), Version: old}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Put over an expired version = %v, want ErrConflict", err)
		}
		if _, err := s.Put(ctx, "h/1", store.Entry{Value: []byte("b")}); err != nil {
			t.Errorf("Put anew = %v", err)
		}
	})
}

// A server whose visitors come once must not grow for ever: what has expired is dropped by later
// writers, without a goroutine.
func TestExpiredEntriesAreDroppedByLaterWriters(t *testing.T) {
	t.Parallel()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), memory.New()
		put := func(from, to int) {
			for i := from; i < to; i++ {
				e := store.Entry{Value: []byte("v"), Expires: time.Now().Add(time.Hour)}
				if _, err := s.Put(ctx, "h/"+strconv.Itoa(i), e); err != nil {
					t.Fatal(err)
				}
			}
		}
		put(0, 5_000)
		time.Sleep(2 * time.Hour)
		put(5_000, 10_000) // Enough for every shard to see a writer.
		if got := memory.Held(s); got != 5_000 {
			t.Errorf("entries held = %d, want the 5000 that are alive", got)
		}
	})
}

func ExampleNew() {
	ctx := context.Background()
	s := memory.New()

	version, _ := s.Put(ctx, "github.com/583231", store.Entry{Value: []byte("first")})
	_, err := s.Put(ctx, "github.com/583231", store.Entry{Value: []byte("late"), Version: "stale"})
	fmt.Println(err)

	_, _ = s.Put(ctx, "github.com/583231", store.Entry{Value: []byte("second"), Version: version})
	e, _ := s.Get(ctx, "github.com/583231")
	fmt.Println(string(e.Value))
	// Output:
	// store: the entry was changed by another writer
	// second
}

func TestCurrentKnowsTheNewestVersionAndNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		if !s.Current("k", "") || s.Current("k", "1") {
			t.Error("nothing is there, but Current knows a version of it")
		}
		first, err := s.Put(t.Context(), "k", store.Entry{Value: []byte("a")})
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.Put(t.Context(), "k", store.Entry{Value: []byte("b"), Version: first, Expires: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if s.Current("k", first) || s.Current("k", "") || !s.Current("k", second) {
			t.Error("another version than the newest is current")
		}
		time.Sleep(time.Minute)
		if s.Current("k", second) || !s.Current("k", "") {
			t.Error("what has expired is current")
		}
		again, err := s.Put(t.Context(), "k", store.Entry{Value: []byte("a")})
		if err != nil || s.Current("k", first) || s.Current("k", second) || !s.Current("k", again) {
			t.Errorf("a version came back: %v", err)
		}
	})
}
