package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/store"
)

// Keys implements [store.Lister]. It needs the policy in sweep.hcl. Vault lists a folder at a time, and
// has it in memory whole.
func (s *Store) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		_, _ = s.walk(ctx, "", yield)
	}
}

// walk yields the keys below folder, and reports whether to go on.
func (s *Store) walk(ctx context.Context, folder string, yield func(string, error) bool) (goOn bool, err error) {
	names, err := s.list(ctx, folder)
	if err != nil {
		yield("", err)
		return false, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			goOn, err = s.walk(ctx, folder+name, yield)
		} else {
			goOn = yield(folder+name, nil)
		}
		if !goOn {
			return false, err
		}
	}
	return true, nil
}

// list reads raw: vault/api's List takes every 404 for an empty folder, that of a missing mount too.
func (s *Store) list(ctx context.Context, folder string) (names []string, err error) {
	ctx, done := s.tel.begin(ctx, "list")
	defer func() { done(err) }()
	var answer struct {
		Data struct {
			Keys []string `json:"keys"`
		} `json:"data"`
	}
	path := s.cfg.Mount + "/metadata/" + s.cfg.Prefix + "/" + folder
	err = s.call(ctx, func(ctx context.Context) error {
		_, err := s.get(ctx, path, map[string][]string{"list": {"true"}}, &answer)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil // An empty folder.
	case err == nil && answer.Data.Keys == nil:
		return nil, setupError("its answer is no list of keys: the mount is no KV version 2 engine, or answers are wrapped", nil)
	}
	return answer.Data.Keys, err
}

// sweepErrors is how many errors end a sweep: with Vault away each key would wait for a timeout of its own.
const sweepErrors = 20

// Sweep deletes the entries that expired more than a grace of an hour ago, tombstones as a rule, with
// their metadata, and returns how many. It is for a job of its own, now and then, with the policy in
// sweep.hcl: a server needs neither. Errors of single entries are joined, and the sweep goes on; after
// twenty of them, or with ctx, it gives up.
//
// Vault can't delete on condition. A sign-in of the very user in the moment between the check and the
// deletion is lost, and made again by the next request's redirect.
func (s *Store) Sweep(ctx context.Context) (n int, err error) {
	var problems []error
	for key, err := range s.Keys(ctx) {
		if err != nil {
			problems = append(problems, err)
			break
		}
		over, err := s.over(ctx, key)
		if err == nil && !over {
			continue
		}
		if err == nil {
			err = s.Delete(ctx, key)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("sweep %s: %w", key, err))
			if len(problems) == sweepErrors || ctx.Err() != nil {
				break
			}
			continue
		}
		n++
	}
	return n, errors.Join(problems...)
}

// over says whether key may go: it has long expired, or was deleted by hand, so that its metadata alone is left.
func (s *Store) over(ctx context.Context, key string) (bool, error) {
	e, err := s.Get(ctx, key)
	if !errors.Is(err, store.ErrNotFound) {
		return err == nil && !e.Expires.IsZero() && time.Since(e.Expires) >= time.Hour, err
	}
	path, err := s.path("data", key)
	if err != nil {
		return false, err
	}
	now, err := s.read(ctx, path)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // Gone by itself, or a standby that lags has not seen it yet.
	}
	return now.deleted, err
}
