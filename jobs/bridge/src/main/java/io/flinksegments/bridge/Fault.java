package io.flinksegments.bridge;

/** What is wrong with a record, as the fault byte of an EVENTS frame. */
final class Fault {
    /** The user and the time could be read. */
    static final byte NONE = 0;

    /** The bytes are not a JSON object, or the user id is not well-formed Unicode. */
    static final byte UNREADABLE = 1;

    /** There is neither a user id nor an anonymous id. */
    static final byte NO_USER = 2;

    /** The value is larger than the limit. */
    static final byte TOO_LARGE = 3;

    /** The value is null. */
    static final byte NO_BYTES = 4;

    /** The time is missing, unreadable, or too far from the record's own timestamp. */
    static final byte BAD_TIME = 5;

    private Fault() {}
}
