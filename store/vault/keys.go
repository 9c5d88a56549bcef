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

func (s *Store) list(ctx context.Context, folder string) (names []string, err error) {
	ctx, done := s.tel.begin(ctx, "list")
	defer func() { done(err) }()
	err = s.call(ctx, func(ctx context.Context) error {
		answer, err := s.client.Logical().ListWithContext(ctx, s.cfg.Mount+"/metadata/"+s.cfg.Prefix+"/"+folder)
		if err != nil || answer == nil { // Nil is an empty folder.
			return err
		}
		all, _ := answer.Data["keys"].([]any)
		for _, name := range all {
			if name, ok := name.(string); ok {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}

// Sweep deletes the entries that expired more than a grace of an hour ago, tombstones as a rule, with
// their metadata, and returns how many. It is for a job of its own, now and then, with the policy in
// sweep.hcl: a server needs neither. Errors of single entries are joined, and the sweep goes on.
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
		e, err := s.Get(ctx, key)
		if err == nil && (e.Expires.IsZero() || time.Since(e.Expires) < time.Hour) {
			continue
		}
		// Not found: deleted by hand, so that only its metadata is left.
		if err == nil || errors.Is(err, store.ErrNotFound) {
			err = s.Delete(ctx, key)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("sweep %s: %w", key, err))
			continue
		}
		n++
	}
	return n, errors.Join(problems...)
}
