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
	c.put(1, remembered{record: &record{Forgotten: now}, order: 2, at: now})
	c.put(1, remembered{record: &record{Lineage: "signed in"}, order: 1, at: now})
	if r, ok := c.current(1); !ok || r.Lineage != "" {
		t.Error("the older answer is kept")
	}
}

// A standby of the store that lags behind must not bring back a token that is dead.
func TestReadThatLagsBehindDoesNotReplaceANewerToken(t *testing.T) {
	t.Parallel()
	c := cache{staleness: time.Minute, size: 100}
	c.put(1, remembered{record: &record{Lineage: "a", Generation: 2}, order: 1, at: time.Now()})
	c.put(1, remembered{record: &record{Lineage: "a", Generation: 1}, order: 2, at: time.Now()})
	if r, ok := c.current(1); !ok || r.Generation != 2 {
		t.Error("the older token is kept")
	}
	c.put(1, remembered{record: &record{Lineage: "b"}, order: 3, at: time.Now()})
	if r, ok := c.current(1); !ok || r.Lineage != "b" {
		t.Error("a new sign-in is not kept")
	}
}

// A read that began before a write whose answer got lost must not pass for current: it may not have seen it.
func TestAnswerFromBeforeADoubtfulWriteDoesNotEndTheDoubt(t *testing.T) {
	t.Parallel()
	c := cache{staleness: time.Minute, size: 100}
	c.put(1, remembered{record: &record{Lineage: "a"}, order: 1, at: time.Now()})
	c.doubt(1, 3)
	c.put(1, remembered{record: &record{Lineage: "a"}, order: 2, at: time.Now()})
	if _, ok := c.current(1); ok {
		t.Error("a read from before the write counts as current")
	}
	c.put(1, remembered{record: &record{Lineage: "a"}, order: 4, at: time.Now()})
	if _, ok := c.current(1); !ok {
		t.Error("a read from after it does not")
	}
}

// One's own write counts at once, also where a read beside it saw the state before.
func TestReadBesideAWriteDoesNotHideIt(t *testing.T) {
	t.Parallel()
	c := cache{staleness: time.Minute, size: 100}
	c.put(1, remembered{record: &record{Lineage: "a"}, version: "1", order: 1, at: time.Now()})
	c.put(1, remembered{record: &record{Lineage: "a"}, version: "1", order: 3, at: time.Now()}) // The write began at 2.
	c.putWritten(1, remembered{record: &record{}, version: "2", order: 5, at: time.Now()}, "1", 2)
	c.put(1, remembered{record: &record{Lineage: "a"}, version: "1", order: 4, at: time.Now()})
	if r, ok := c.current(1); !ok || r.Lineage != "" {
		t.Error("what was written is not kept")
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	const size = 1000
	c := cache{staleness: time.Minute, size: size}
	for i := range int64(10 * size) {
		c.put(i, remembered{record: &record{}, order: 1, at: time.Now()})
	}
	if n := c.len(); n > size || n < size/2 {
		t.Errorf("%d grants are kept, want at most %d, and not many less", n, size)
	}
	if _, ok := c.current(10*size - 1); !ok {
		t.Error("the newest is not kept")
	}
}
