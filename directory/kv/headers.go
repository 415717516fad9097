package kv

// Headers of the messages in a bucket. They are stored, so they do not change.
const (
	headerOperation = "KV-Operation"
	headerChange    = "Usher-Change"  // id of the change to which the entry belongs
	headerLeft      = "Usher-Left"    // number of entries of the change that follow
	headerProject   = "Usher-Project" // project whose quota the entry counts against; absent: no quota
	headerTTL       = "Nats-TTL"      // after which the server removes the message

	headerBatch         = "Nats-Batch-Id" // of an atomic batch (ADR-50 of NATS)
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit" // of the last message of a batch

	headerExpectedLastSequence = "Nats-Expected-Last-Sequence"
)
