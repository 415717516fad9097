package kv

// For tests.
var (
	Encode = encode
	Decode = new(decoder).decode
	Sweep  = (*Store).sweep
)
