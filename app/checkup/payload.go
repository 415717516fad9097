package checkup

import (
	"context"
	"fmt"
	"slices"
	"time"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/nats-io/jwt/v2"

	"usher/app/assembly"
	"usher/app/config"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/issuer"
)

// answerSize is the largest answer that usher would give.
type answerSize struct {
	bytes int64 // zero: not known
	who   string
	rules int
	acls  bool  // it is smaller with fewer ACL entries
	err   error // why it is not known
}

// largestAnswer makes the answer with the largest grant of a configuration and its
// directory, in config mode. In operator mode userJWTs judges it.
func largestAnswer(ctx context.Context, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot) answerSize {
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
		Policy: assembly.Policy(cfg), MaxLifetime: cfg.UserJWT.MaxLifetime,
		Now: time.Now, Random: func() float64 { return 0 },
	})
	ctx, cancel := context.WithTimeout(ctx, mintTimeout)
	defer cancel()
	response, _, err := mint.Issue(ctx, signers, to, most.id, &most.grant)
	if err != nil {
		return answerSize{who: most.who, err: err}
	}
	size := answerSize{bytes: int64(len(response)), who: most.who, rules: len(most.grant.Rules), acls: most.acls}
	if len(keys.XKeys()) > 0 {
		size.bytes += sealedBytes
	}
	if snapshot == nil {
		return size
	}
	// By this size usher decides before it makes an answer.
	if user, bytes := assembly.Policy(cfg).LargestGrant(snapshot); int64(bytes) > size.bytes {
		size.bytes = int64(bytes)
		if size.who != "user "+user {
			facts, _ := snapshot.Facts(user, "")
			size.who, size.rules, size.acls = "user "+user, 0, byACLs(&facts)
		}
	}
	return size
}

// byACLs reports whether a user has a grant that entries of ACLs make: one that has the
// whole account has none of them, nor has a profile that is the same for everybody.
func byACLs(f *directory.Facts) bool {
	return !f.HasServiceRole(directory.ServiceRoleAdmin) && slices.ContainsFunc(f.Memberships, func(m directory.Membership) bool {
		return len(m.Topics) > 0 || len(m.Subs) > 0
	})
}

// payloadHint says what to do about an answer that is too large.
func payloadHint(who string, acls bool, whose string) string {
	larger := "a larger max_payload in " + whose + " configuration"
	if !acls {
		return larger
	}
	return "fewer ACL entries for " + who + ", or " + larger
}

// payload compares what a server takes with the largest answer that it would be given.
func (s *serverCheck) payload(takes int64) {
	const check = "max_payload"
	if err := s.largest.err; err != nil {
		s.fail(fault.Config, check, s.url, "the keyring, and the program that signs, have to be mended", "what %s would get cannot be signed, so its size is not known: %v", s.largest.who, err)
		return
	}
	if s.largest.bytes == 0 {
		return
	}
	limit, name := takes, fmt.Sprintf("the server takes %d (max_payload)", takes)
	if limit > jwt.MaxTokenSize {
		limit, name = jwt.MaxTokenSize, fmt.Sprintf("no server takes a JWT of more than %d", jwt.MaxTokenSize)
	}
	what := fmt.Sprintf("the answer for %s has up to %d bytes", s.largest.who, s.largest.bytes)
	if s.largest.rules > 0 {
		what += " for " + plural.Count(s.largest.rules, "rule")
	}
	if s.largest.bytes > limit {
		s.fail(fault.Config, check, s.url, payloadHint(s.largest.who, s.largest.acls, "the server's"),
			"%s, and %s: clients with such a grant are not answered", what, name)
		return
	}
	s.ok(check, s.url, "%s, and %s", what, name)
}
