package middleware

import (
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/oauth"
)

// go-github remembers in its client that GitHub asked to be left alone: one user's limit must not stop another.
func TestClientsAreMadeOnceAUserAndNeverSharedBetweenUsers(t *testing.T) {
	t.Parallel()
	c := clients{make: func(int64) *http.Client { return new(http.Client) }}
	var (
		wg  sync.WaitGroup
		got [2][8]*github.Client
	)
	for user := range got {
		for i := range got[user] {
			wg.Go(func() {
				var err error
				if got[user][i], err = c.of(int64(user)).forHost(oauth.GitHub()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for user := range got {
		for _, client := range got[user] {
			if client == nil || client != got[user][0] {
				t.Errorf("user %d has several clients", user)
			}
		}
	}
	if got[0][0] == got[1][0] || c.of(0).http == c.of(1).http {
		t.Error("two users share a client")
	}
}

func TestClientsAreBounded(t *testing.T) {
	t.Parallel()
	c := clients{make: func(int64) *http.Client { return new(http.Client) }}
	for user := range int64(3 * clientShards * clientsPerShard) {
		if first := c.of(user); c.of(user) != first {
			t.Fatal("the newest user is not kept")
		}
	}
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].byUser)
	}
	if n != clientShards*clientsPerShard {
		t.Errorf("the clients of %d users are kept, want %d", n, clientShards*clientsPerShard)
	}
}
