package checkup

import (
	"context"
	"fmt"
	"time"

	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/nats-io/jwt/v2"

	"usher/app/assembly"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
)

// answerSize is the size of the largest response that usher would send.
type answerSize struct {
	bytes  int64 // 0: unknown
	client string
	rules  int
	acls   bool  // removing ACL entries would make it smaller
	err    error // why the size is unknown
}

// largestAnswer signs the response with the largest grant that the configuration and the
// directory allow. It is for config mode; in operator mode the user jwt check does it.
func largestAnswer(ctx context.Context, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot) answerSize {
	var none answerSize
	if cfg.NATS.Mode == config.ModeOperator {
		return none
	}
	var most *operatormode.Example
	for _, e := range operatormode.Examples(cfg, snapshot) {
		if most == nil || e.Size() > most.Size() {
			most = &e
		}
	}
	to, err := operatormode.RandomRecipient()
	signers, ok := keys.For(issuerInUse(keys))
	if most == nil || err != nil || !ok {
		return none
	}
	mint := issuer.New(issuer.Config{
		Policy: assembly.Policy(cfg), Lifetimes: issuer.Lifetimes{MaxLifetime: cfg.UserJWT.MaxLifetime},
		Now: time.Now, Random: func() float64 { return 0 },
	})
	ctx, cancel := context.WithTimeout(ctx, operatormode.MintTimeout)
	defer cancel()
	response, _, err := mint.Issue(ctx, signers, to, most.ID, &most.Grant)
	if err != nil {
		return answerSize{client: most.Client, err: err}
	}
	size := answerSize{bytes: int64(len(response)), client: most.Client, rules: len(most.Grant.Rules), acls: most.ACLs}
	if len(keys.XKeys()) > 0 {
		size.bytes += operatormode.SealedBytes
	}
	if snapshot == nil {
		return size
	}
	// Before it signs, usher compares this estimate with max_payload.
	if user, bytes := assembly.Policy(cfg).LargestGrant(snapshot); int64(bytes) > size.bytes {
		size.bytes = int64(bytes)
		if size.client != "user "+user {
			facts, _ := snapshot.Facts(user, "")
			size.client, size.rules, size.acls = "user "+user, 0, operatormode.ByACLs(&facts)
		}
	}
	return size
}

// payload compares the max_payload of a server with the largest response.
func (s *serverCheck) payload(maxPayload int64) {
	const check = "max_payload"
	if err := s.largest.err; err != nil {
		s.Fail(fault.Config, check, s.url, "correct the keyring or the signing program", "cannot sign the answer for %s, so its size is unknown: %v", s.largest.client, err)
		return
	}
	if s.largest.bytes == 0 {
		return
	}
	limit, name := maxPayload, fmt.Sprintf("the server accepts %d (max_payload)", maxPayload)
	if limit > jwt.MaxTokenSize {
		limit, name = jwt.MaxTokenSize, fmt.Sprintf("no server accepts a JWT of more than %d", jwt.MaxTokenSize)
	}
	what := fmt.Sprintf("the answer for %s has up to %d bytes", s.largest.client, s.largest.bytes)
	if s.largest.rules > 0 {
		what += " for " + plural.Count(s.largest.rules, "rule")
	}
	if s.largest.bytes > limit {
		s.Fail(fault.Config, check, s.url, operatormode.PayloadHint(s.largest.client, s.largest.acls, "the server's"),
			"%s, but %s: usher does not answer clients with this grant", what, name)
		return
	}
	s.OK(check, s.url, "%s, and %s", what, name)
}
