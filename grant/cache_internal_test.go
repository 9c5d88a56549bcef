package grant

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A read that began before a sign-out, and was answered after it, must not bring the grant back.
func TestSlowAnswerDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := cache{staleness: time.Minute}
		asked := time.Now()
		time.Sleep(time.Second)
		c.put("h/1", &record{Forgotten: time.Now()}, time.Now())
		c.put("h/1", &record{Lineage: "signed in"}, asked)
		if r, ok := c.get("h/1", time.Minute); !ok || r.Lineage != "" {
			t.Error("the older answer is kept")
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := cache{staleness: time.Minute}
	for i := range cacheSize + 100 {
		c.put(fmt.Sprintf("h/%d", i), &record{}, time.Now())
	}
	if n := len(c.byKey); n != cacheSize {
		t.Errorf("%d grants are kept, want %d", n, cacheSize)
	}
	if _, ok := c.get(fmt.Sprintf("h/%d", cacheSize+99), time.Minute); !ok {
		t.Error("the newest is not kept")
	}
}
