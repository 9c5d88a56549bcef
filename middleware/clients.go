package middleware

import (
	"net/http"
	"sync"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// clientShards is how many locks the users are spread over, so that they do not wait for each other.
	clientShards = 64

	// clientsPerShard bounds how many users' clients are kept, some 2 KiB each: 16,384 users.
	clientsPerShard = 256
)

// userClients act for one user, and are made once: go-github remembers in its client for how long GitHub asked to be left alone,
// which holds for that user and no other.
type userClients struct {
	http *http.Client

	once   sync.Once
	github *github.Client
	err    error
}

// forHost returns the go-github client.
func (c *userClients) forHost(host oauth.Host) (*github.Client, error) {
	c.once.Do(func() { c.github, c.err = newGitHubClient(c.http, host) })
	return c.github, c.err
}

// clients keeps the clients of the users who were here last. It is safe for concurrent use.
type clients struct {
	make   func(userID int64) *http.Client
	shards [clientShards]struct {
		mu     sync.RWMutex
		byUser map[int64]*userClients
	}
}

func (c *clients) of(userID int64) *userClients {
	s := &c.shards[uint64(userID)%clientShards] //nolint:gosec // Any shard will do.
	s.mu.RLock()
	known, ok := s.byUser[userID]
	s.mu.RUnlock()
	if ok {
		return known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.byUser[userID]; ok {
		return known
	}
	if s.byUser == nil {
		s.byUser = make(map[int64]*userClients)
	}
	if len(s.byUser) >= clientsPerShard {
		for other := range s.byUser { // Any: whoever it hits has another made.
			delete(s.byUser, other)
			break
		}
	}
	made := &userClients{http: c.make(userID)}
	s.byUser[userID] = made
	return made
}
