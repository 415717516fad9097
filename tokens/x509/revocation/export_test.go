package revocation

import "context"

// Tick does what Run does from time to time.
func (c *Checker) Tick(ctx context.Context) { c.tick(ctx) }

// ParseCRL is parseCRL.
func ParseCRL(raw []byte) error {
	_, err := parseCRL(raw)
	return err
}
