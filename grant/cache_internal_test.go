package grant

import (
	"testing"
	"time"
)

// A read that began before a sign-out, and was answered after it, must not bring the grant back.
func TestSlowAnswerDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	c := cache{staleness: time.Minute, size: 100}
	now := time.Now()
	c.put(1, &record{Forgotten: now}, 2, now)
	c.put(1, &record{Lineage: "signed in"}, 1, now)
	if r, ok := c.current(1); !ok || r.Lineage != "" {
		t.Error("the older answer is kept")
	}
}

// A standby of the store that lags behind must not bring back a token that is dead.
func TestReadThatLagsBehindDoesNotReplaceANewerToken(t *testing.T) {
	t.Parallel()
	c := cache{staleness: time.Minute, size: 100}
	c.put(1, &record{Lineage: "a", Generation: 2}, 1, time.Now())
	c.put(1, &record{Lineage: "a", Generation: 1}, 2, time.Now())
	if r, ok := c.current(1); !ok || r.Generation != 2 {
		t.Error("the older token is kept")
	}
	c.put(1, &record{Lineage: "b"}, 3, time.Now())
	if r, ok := c.current(1); !ok || r.Lineage != "b" {
		t.Error("a new sign-in is not kept")
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	const size = 1000
	c := cache{staleness: time.Minute, size: size}
	for i := range int64(10 * size) {
		c.put(i, &record{}, 1, time.Now())
	}
	if n := c.len(); n > size || n < size/2 {
		t.Errorf("%d grants are kept, want at most %d, and not many less", n, size)
	}
	if _, ok := c.current(10*size - 1); !ok {
		t.Error("the newest is not kept")
	}
}
