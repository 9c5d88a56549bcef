package vault

import (
	"context"
	"errors"
	"fmt"
)

// Open logs in to Vault and returns a store that stays logged in until [Store.Close]: the token is
// renewed while it can be, and replaced by a fresh log-in when it can't, or when Vault refuses it.
//
// It fails if the first log-in does, within a few calls' time. It does not look at the mount: see
// [Store.Ping].
func Open(ctx context.Context, cfg Config, login Login, opts ...Option) (*Store, error) {
	s, err := Prepare(cfg, login, opts...)
	if err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Prepare is [Open] without the first log-in, for wiring that makes everything before it starts anything. It
// makes no call; [Store.Start] must follow before the store is used.
func Prepare(cfg Config, login Login, opts ...Option) (*Store, error) {
	if login == nil {
		return nil, errors.New("vault: the login is nil; AppRole, Kubernetes, JWT, TokenFile and Token make one")
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("vault: the configuration can't be used:\n%w", err)
	}
	cfg = cfg.withDefaults()
	client, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	s, err := newStore(client, cfg, opts)
	if err != nil {
		return nil, err
	}
	s.keeper = newKeeper(cfg, client, login, s.tel.log)
	return s, nil
}

// Start makes the first log-in of a store of [Prepare], and keeps it logged in from then on. It fails if that log-in
// does, and may then be called again. For a store of [New] it does nothing.
func (s *Store) Start(ctx context.Context) error {
	if s.keeper == nil {
		return nil
	}
	secret, err := s.keeper.askForToken(ctx)
	if err != nil {
		return err
	}
	s.keeper.start(secret)
	return nil
}

// Close ends what [Open] or [Store.Start] began: renewal, log-ins, and idle connections. It returns when that has ended,
// or with ctx. The token is left to run out. For a store of [New] it does nothing.
func (s *Store) Close(ctx context.Context) error {
	if s.keeper == nil {
		return nil
	}
	s.keeper.stop()
	ended := make(chan struct{})
	go func() { s.keeper.wg.Wait(); close(ended) }()
	select {
	case <-ended:
		s.client.CloneConfig().HttpClient.CloseIdleConnections()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("vault: a log-in was still under way: %w", ctx.Err())
	}
}
