package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class IsoInstantTest {
    @ParameterizedTest
    @CsvSource({
        "2026-11-22T10:15:30.123Z,      2026-11-22T10:15:30.123Z",
        "2026-11-22T10:15:30Z,          2026-11-22T10:15:30Z",
        "2026-11-22T10:15:30,           2026-11-22T10:15:30Z",
        "2026-11-22 10:15:30.1,         2026-11-22T10:15:30.100Z",
        "'2026-11-22t10:15:30,25z',     2026-11-22T10:15:30.250Z",
        "2026-11-22T10:15:30.123456789, 2026-11-22T10:15:30.123Z",
        "2026-11-22T10:15Z,             2026-11-22T10:15:00Z",
        "2026-11-22,                    2026-11-22T00:00:00Z",
        "2026-11-22T10:15:30+02:00,     2026-11-22T08:15:30Z",
        "2026-11-22T10:15:30.5-0530,    2026-11-22T15:45:30.500Z",
        "2026-11-22T23:15:30-02,        2026-11-23T01:15:30Z",
        "2024-02-29T00:00:00Z,          2024-02-29T00:00:00Z",
        "1969-12-31T23:59:59.999Z,      1969-12-31T23:59:59.999Z",
    })
    void readsInstants(String text, String expected) {
        assertEquals(Instant.parse(expected).toEpochMilli(), parse(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "today",
                "2026",
                "2026-11",
                "2026-13-01",
                "2026-00-01",
                "2026-02-29",
                "2026-04-31",
                "2026-11-00",
                "2026/11/22",
                "2026-11-22T",
                "2026-11-22T24:00:00Z",
                "2026-11-22T10:60:00Z",
                "2026-11-22T10:15:60Z",
                "2026-11-22T10:15:30.Z",
                "2026-11-22T10:15:30+",
                "2026-11-22T10:15:30+2",
                "2026-11-22T10:15:30+02:",
                "2026-11-22T10:15:30+02:60",
                "2026-11-22T10:15:30Zulu",
                "2026-11-22T10:15:3OZ",
                "2026-11-22x10:15:30Z",
                "+002026-11-22T10:15:30Z",
                "1795342530123",
            })
    void refusesEverythingElse(String text) {
        assertEquals(IsoInstant.NONE, parse(text));
    }

    @Test
    void agreesWithTheJdk() {
        Random random = new Random(1);
        for (int i = 0; i < 20_000; i++) {
            Instant instant = Instant.ofEpochMilli(random.nextLong(-62_135_596_800_000L, 253_402_300_799_999L));
            ZoneOffset zone = ZoneOffset.ofTotalSeconds(60 * random.nextInt(-18 * 60, 18 * 60));
            OffsetDateTime local = instant.atOffset(zone);
            if (local.getYear() >= 0 && local.getYear() <= 9999) {
                assertEquals(instant.toEpochMilli(), parse(local.toString()), local::toString);
            }
        }
    }

    private static long parse(String text) {
        char[] padded = ("12" + text + "34").toCharArray();
        return IsoInstant.parse(padded, 2, text.length());
    }
}
