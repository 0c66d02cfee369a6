package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Mutated events: none makes the parser throw, and what Python takes for an event of a user, the parser does too. */
class EventParserTest {
    private static final Base64.Decoder BASE64 = Base64.getDecoder();
    private static final int ROUNDS = 40;

    private final EventParser parser = new EventParser();

    private record Verdict(String user, byte[] payload) {}

    @Test
    void takesForAnEventOfAUserWhatPythonDoes() throws IOException {
        int accepted = 0;
        for (Verdict verdict : verdicts()) {
            byte fault = parser.parse(verdict.payload());
            if (!verdict.user().isEmpty()) {
                String payload = new String(verdict.payload(), StandardCharsets.UTF_8);
                assertTrue(fault == Fault.NONE || fault == Fault.BAD_TIME, () -> "a fault: " + payload);
                assertEquals(verdict.user(), parser.user(), () -> "another user: " + payload);
                accepted++;
            }
        }
        assertTrue(accepted > 100, "too few events that are fine");
    }

    @Test
    void skipsNumbersOfAnyLength() {
        String event = "{\"n\":" + "9".repeat(5_000) + ",\"userId\":\"anna\",\"timestamp\":1}";
        assertEquals(Fault.NONE, parser.parse(event.getBytes(StandardCharsets.UTF_8)));
        assertEquals("anna", parser.user());
    }

    @Test
    void neverThrowsWhateverTheBytesAre() throws IOException {
        Random random = new Random(7);
        List<Verdict> verdicts = verdicts();
        for (int round = 0; round < ROUNDS; round++) {
            for (Verdict verdict : verdicts) {
                byte[] payload = verdict.payload().clone();
                for (int flip = 0; flip <= round % 4 && payload.length > 0; flip++) {
                    payload[random.nextInt(payload.length)] = (byte) random.nextInt(256);
                }
                byte fault = parser.parse(payload);
                assertTrue(fault != Fault.NONE || parser.user() != null && parser.time() != EventRecord.NO_TIME);
            }
        }
    }

    private static List<Verdict> verdicts() throws IOException {
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(
                EventParserTest.class.getResourceAsStream("/mutated-events.tsv"), StandardCharsets.US_ASCII))) {
            return lines.lines()
                    .map(line -> line.split("\t", -1))
                    .map(parts -> new Verdict(
                            new String(BASE64.decode(parts[0]), StandardCharsets.UTF_8), BASE64.decode(parts[1])))
                    .toList();
        }
    }
}
