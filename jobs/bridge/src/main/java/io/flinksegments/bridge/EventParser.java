package io.flinksegments.bridge;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.StreamReadConstraints;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.json.JsonReadFeature;

/**
 * Reads the user and the time of one event, and stops as soon as both are known.
 *
 * <p>The user is {@code userId}, else {@code anonymousId}: a text that is not empty, or an integer; anything else counts
 * as missing. The time is {@code timestamp}: a number of milliseconds since 1970 or an ISO-8601 text. Of a field that
 * stands twice the first counts.
 */
final class EventParser {
    private static final JsonFactory JSON = JsonFactory.builder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            .enable(JsonReadFeature.ALLOW_UNESCAPED_CONTROL_CHARS) // Python decides
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(Integer.MAX_VALUE) // the record's size bounds it, and Python skips such a number
                    .build())
            .build();

    /** Characters; a longer user is refused by Python. */
    private static final int LONGEST_USER = 256;

    private String userId;
    private String anonymousId;
    private long time;
    private boolean timeSeen;

    /** Reads an event; never throws. {@link Fault#NONE} if both {@link #user} and {@link #time} are known. */
    byte parse(byte[] payload) {
        userId = null;
        anonymousId = null;
        time = EventRecord.NO_TIME;
        timeSeen = false;
        try (JsonParser json = JSON.createParser(payload)) {
            if (json.nextToken() != JsonToken.START_OBJECT || !readFields(json)) {
                return Fault.UNREADABLE;
            }
        } catch (IOException | RuntimeException unreadable) {
            return Fault.UNREADABLE;
        }
        if (user() == null) {
            return Fault.NO_USER;
        }
        if (!isWellFormed(user())) {
            return Fault.UNREADABLE;
        }
        return time == EventRecord.NO_TIME ? Fault.BAD_TIME : Fault.NONE;
    }

    /** The user of the last event; null if it has none. */
    String user() {
        return userId != null ? userId : anonymousId;
    }

    /** The time of the last event in ms since 1970 UTC; {@link EventRecord#NO_TIME} if it has none. */
    long time() {
        return time;
    }

    private boolean readFields(JsonParser json) throws IOException {
        while (userId == null || !timeSeen) {
            String field = json.nextFieldName();
            if (field == null) {
                return json.currentToken() == JsonToken.END_OBJECT;
            }
            JsonToken value = json.nextToken();
            if (field.equals("userId") && userId == null) {
                userId = readUser(json, value);
            } else if (field.equals("anonymousId") && anonymousId == null) {
                anonymousId = readUser(json, value);
            } else if (field.equals("timestamp") && !timeSeen) {
                timeSeen = true;
                time = readTime(json, value);
            }
            json.skipChildren();
        }
        return true;
    }

    private static String readUser(JsonParser json, JsonToken value) throws IOException {
        if (value == JsonToken.VALUE_NUMBER_INT) {
            String digits = json.getText();
            return digits.length() > LONGEST_USER ? digits : json.getBigIntegerValue().toString();
        }
        String text = value == JsonToken.VALUE_STRING ? json.getText() : "";
        return text.isEmpty() ? null : text;
    }

    private static long readTime(JsonParser json, JsonToken value) throws IOException {
        return switch (value) {
            case VALUE_NUMBER_INT -> json.getLongValue();
            case VALUE_NUMBER_FLOAT -> (long) Math.floor(json.getDoubleValue());
            case VALUE_STRING -> IsoInstant.parse(
                    json.getTextCharacters(), json.getTextOffset(), json.getTextLength());
            default -> EventRecord.NO_TIME;
        };
    }

    private static boolean isWellFormed(String text) {
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            if (Character.isHighSurrogate(character)
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(character)) {
                return false;
            }
        }
        return true;
    }
}
