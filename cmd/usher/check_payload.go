package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/config"
	"usher/directory"
	"usher/issuer"
)

// answerSize is the largest answer that usher would give.
type answerSize struct {
	bytes int64 // zero: not known
	who   string
	rules int
}

// largestAnswer makes the answer with the largest grant of a configuration and its
// directory, in config mode. In operator mode userJWTs judges it.
func largestAnswer(ctx context.Context, cfg *config.Config, keys *issuer.Keyring, snapshot *directory.Snapshot) answerSize {
	var none answerSize
	if cfg.NATS.Mode == config.ModeOperator {
		return none
	}
	var most *example
	for _, e := range examples(cfg, snapshot) {
		if most == nil || e.size() > most.size() {
			most = &e
		}
	}
	to, err := madeUp()
	signers, ok := keys.For(issuerInUse(keys))
	if most == nil || err != nil || !ok {
		return none
	}
	mint := issuer.New(issuer.Config{
		Policy: policyOf(cfg), MaxLifetime: cfg.UserJWT.MaxLifetime,
		Now: time.Now, Random: func() float64 { return 0 },
	})
	ctx, cancel := context.WithTimeout(ctx, mintTimeout)
	defer cancel()
	response, _, err := mint.Issue(ctx, signers, to, most.id, &most.grant)
	if err != nil {
		return none // a program that does not sign is said under keyring
	}
	size := answerSize{bytes: int64(len(response)), who: most.who, rules: len(most.grant.Rules)}
	if len(keys.XKeys()) > 0 {
		size.bytes += sealedBytes
	}
	return size
}

// payload compares what a server takes with the largest answer that it would be given.
func (s *serverCheck) payload(takes int64) {
	const check = "max_payload"
	if s.largest.bytes == 0 {
		return
	}
	limit, name := takes, fmt.Sprintf("the server takes %d (max_payload)", takes)
	if limit > jwt.MaxTokenSize {
		limit, name = jwt.MaxTokenSize, fmt.Sprintf("no server takes a JWT of more than %d", jwt.MaxTokenSize)
	}
	what := fmt.Sprintf("the answer for %s has %d bytes for %s", s.largest.who, s.largest.bytes, counted(s.largest.rules, "rule"))
	if s.largest.bytes > limit {
		s.fail(exitConfig, check, s.url, "fewer ACL entries for "+s.largest.who+", or a larger max_payload in the server's configuration",
			"%s, and %s: clients with such a grant are not answered", what, name)
		return
	}
	s.ok(check, s.url, "%s, and %s", what, name)
}
